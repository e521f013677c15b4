// Command addonroles is the AddonRoles stage: it converges the roles of the add-ons' service accounts.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/addonroles"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("AddonRoles", rt.Log, addonroles.New(account.NewConnector(rt.AWS)).Run)
}
