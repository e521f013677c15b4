// Command register is the Register stage: it converges the provider stack that Harmonix reads.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/register"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	StarterRoleARN string `env:"STARTER_ROLE"`
}

func main() {
	rt := stage.Load[config]()
	stage.Start("Register", rt.Log, register.New(account.NewConnector(rt.AWS), register.Options(rt.Config)).Run)
}
