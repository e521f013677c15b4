// Command completedelete is the CompleteDelete stage: it makes the result document of a removal,
// records it, gives the environment back and tells of the end.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Table    string `env:"TABLE"`
	EventBus string `env:"EVENT_BUS"`
}

func main() {
	rt := stage.Load[config]()
	db := dynamodb.NewFromConfig(rt.AWS)
	history, locks := record.NewHistory(db, rt.Config.Table), lock.NewTable(db, rt.Config.Table)
	bus := record.NewBus(eventbridge.NewFromConfig(rt.AWS), rt.Config.EventBus, rt.Log)
	stage.Start("CompleteDelete", rt.Log, record.NewCompleteDelete(history, locks, bus).Run)
}
