// Command preflight is the Preflight stage: it checks the request and the accounts before anything
// is made, and begins the state document.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/preflight"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Preflight", rt.Log, preflight.New(rt.AWS, account.NewConnector(rt.AWS)).Run)
}
