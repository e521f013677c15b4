// Command preflight is the Preflight stage: it checks the request and the accounts before anything
// is made, and begins the state document.
package main

import (
	"maps"
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/preflight"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Layers         map[string]string `env:"KUBECTL_LAYERS" envKeyValSeparator:"="`
	TargetAccounts []string          `env:"TARGET_ACCOUNTS"`
	StarterRole    string            `env:"STARTER_ROLE"`
}

func main() {
	rt := stage.Load[config]()
	versions := slices.Sorted(maps.Keys(rt.Config.Layers))
	stage.Start("Preflight", rt.Log, preflight.New(rt.AWS, account.NewConnector(rt.AWS), versions, rt.Config.TargetAccounts, rt.Config.StarterRole).Run)
}
