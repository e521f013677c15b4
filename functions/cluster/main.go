// Command cluster is the Cluster stage: it converges the EKS control plane with its OIDC provider and access entries.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/cluster"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Cluster", rt.Log, cluster.New(account.NewConnector(rt.AWS)).Run)
}
