// Command bootstrap is the Bootstrap stage: it converges what all environments of an account and region share.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/bootstrap"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	PlatformAccount string `env:"PLATFORM_ACCOUNT"`
}

func main() {
	rt := stage.Load[config]()
	stage.Start("Bootstrap", rt.Log, bootstrap.New(account.NewConnector(rt.AWS), rt.Config.PlatformAccount).Run)
}
