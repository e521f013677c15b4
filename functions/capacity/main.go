// Command capacity is the Capacity stage: it converges the managed node group or the Fargate profile.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/capacity"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Capacity", rt.Log, capacity.New(account.NewConnector(rt.AWS)).Run)
}
