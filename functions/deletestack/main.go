// Command deletestack is the stage behind the states that delete a stack: it deletes one stack of an environment, the one of the state that calls it.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("DeleteStack", rt.Log, teardown.NewDeleteStack(account.NewConnector(rt.AWS)).Run)
}
