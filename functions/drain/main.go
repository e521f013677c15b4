// Command drain is the Drain stage: it removes what holds on to load balancers and volumes out of the cluster.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Drain", rt.Log, teardown.NewDrain(account.NewConnector(rt.AWS)).Run)
}
