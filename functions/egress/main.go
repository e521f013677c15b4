// Command egress is the Egress stage: it converges the NAT gateways, VPC endpoints and the flow log.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Egress", rt.Log, egress.New(account.NewConnector(rt.AWS)).Run)
}
