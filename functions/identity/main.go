// Command identity is the Identity stage: it converges the keys, the audit table and the roles.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/identity"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Identity", rt.Log, identity.New(account.NewConnector(rt.AWS)).Run)
}
