// Command logging is the Logging stage: it sends the pods' logs to CloudWatch.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/logging"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Logging", rt.Log, logging.New(account.NewConnector(rt.AWS)).Run)
}
