// Command access is the Access stage: it converges aws-auth and RBAC through the environment's kubectl function.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/access"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Access", rt.Log, access.New(account.NewConnector(rt.AWS)).Run)
}
