// Command verify is the Verify stage: it looks at the finished environment as its users will.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/verify"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Verify", rt.Log, verify.New(account.NewConnector(rt.AWS)).Run)
}
