// Command bootstrap is the Bootstrap stage: it converges what all environments of an account and region share.
package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/bootstrap"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

type config struct {
	PlatformAccount string `env:"PLATFORM_ACCOUNT"`
	DeleteHook      string `env:"DELETE_HOOK_FUNCTION"`
	StarterRole     string `env:"STARTER_ROLE"`
	SettleSeconds   int    `env:"SETTLE_SECONDS" envDefault:"15"`
}

func main() {
	rt := stage.Load[config]()
	options := bootstrap.Options{
		PlatformAccount: rt.Config.PlatformAccount, DeleteHook: rt.Config.DeleteHook, StarterRoleARN: rt.Config.StarterRole,
		Settle: time.Duration(rt.Config.SettleSeconds) * time.Second, Leftovers: teardown.Leftovers,
	}
	stage.Start("Bootstrap", rt.Log, bootstrap.New(account.NewConnector(rt.AWS), lambda.NewFromConfig(rt.AWS), options).Run)
}
