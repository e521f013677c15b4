// Command loadbalancer is the LoadBalancer stage: it installs the AWS Load Balancer Controller and
// waits until it answers.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/loadbalancer"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Repository string `env:"CHART_REPOSITORY"`
	Version    string `env:"CHART_VERSION"`
}

func main() {
	rt := stage.Load[config]()
	stage.Start("LoadBalancer", rt.Log, loadbalancer.New(account.NewConnector(rt.AWS), environment.ChartSource(rt.Config)).Run)
}
