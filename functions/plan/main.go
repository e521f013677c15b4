// Command plan is the Plan stage: it puts together what the stages would do, and tells of the end.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	EventBus string `env:"EVENT_BUS"`
}

func main() {
	rt := stage.Load[config]()
	bus := record.NewBus(eventbridge.NewFromConfig(rt.AWS), rt.Config.EventBus, rt.Log)
	stage.Start("Plan", rt.Log, record.NewPlan(bus).Run)
}
