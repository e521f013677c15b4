// Command drain is the Drain stage: it removes what holds on to load balancers and volumes out of the cluster.
package main

import (
	"time"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

type config struct {
	DrainSeconds int `env:"DRAIN_SECONDS" envDefault:"900"`
}

func main() {
	rt := stage.Load[config]()
	patience := time.Duration(rt.Config.DrainSeconds) * time.Second
	stage.Start("Drain", rt.Log, teardown.NewDrain(account.NewConnector(rt.AWS), patience).Run)
}
