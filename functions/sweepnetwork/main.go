// Command sweepnetwork is the SweepNetwork stage: it removes what a cluster has left in its network.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("SweepNetwork", rt.Log, teardown.NewSweepNetwork(account.NewConnector(rt.AWS)).Run)
}
