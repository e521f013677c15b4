// Command clusterdns is the ClusterDNS stage: it makes CoreDNS run on the environment's capacity.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/clusterdns"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("ClusterDNS", rt.Log, clusterdns.New(account.NewConnector(rt.AWS)).Run)
}
