// Command deploykubectl is the DeployKubectl stage: it gives the environment its own copy of the
// kubectl function, with the layer of the cluster's Kubernetes version.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/deploykubectl"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Function string            `env:"KUBECTL_FUNCTION"`
	Layers   map[string]string `env:"KUBECTL_LAYERS" envKeyValSeparator:"="`
}

func main() {
	rt := stage.Load[config]()
	s := deploykubectl.New(account.NewConnector(rt.AWS), lambda.NewFromConfig(rt.AWS), deploykubectl.Options(rt.Config))
	stage.Start("DeployKubectl", rt.Log, s.Run)
}
