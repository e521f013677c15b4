// Command sweepdata is the SweepData stage: it removes log groups and retires keys.
package main

import (
	"time"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

type config struct {
	RecheckSeconds int `env:"RECHECK_SECONDS" envDefault:"60"`
}

func main() {
	rt := stage.Load[config]()
	recheck := time.Duration(rt.Config.RecheckSeconds) * time.Second
	stage.Start("SweepData", rt.Log, teardown.NewSweepData(account.NewConnector(rt.AWS), recheck).Run)
}
