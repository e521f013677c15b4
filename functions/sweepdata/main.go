// Command sweepdata is the SweepData stage: it removes log groups and retires keys.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("SweepData", rt.Log, teardown.NewSweepData(account.NewConnector(rt.AWS)).Run)
}
