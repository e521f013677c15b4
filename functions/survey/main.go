// Command survey is the Survey stage: it lists what there is of an environment that is to go.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Survey", rt.Log, teardown.NewSurvey(account.NewConnector(rt.AWS)).Run)
}
