// Command network is the Network stage: it converges the VPC with its subnets, routes and security groups.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Network", rt.Log, network.New(account.NewConnector(rt.AWS)).Run)
}
