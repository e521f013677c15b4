// Command bootstrap is the Bootstrap stage: it converges what all environments of an account and region share.
package main

import (
	"time"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/bootstrap"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	PlatformAccount string `env:"PLATFORM_ACCOUNT"`
	SettleSeconds   int    `env:"SETTLE_SECONDS" envDefault:"15"`
}

func main() {
	rt := stage.Load[config]()
	options := bootstrap.Options{PlatformAccount: rt.Config.PlatformAccount, Settle: time.Duration(rt.Config.SettleSeconds) * time.Second}
	stage.Start("Bootstrap", rt.Log, bootstrap.New(account.NewConnector(rt.AWS), options).Run)
}
