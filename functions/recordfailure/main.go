// Command recordfailure is the RecordFailure stage: it waits until nothing of the environment
// moves any more, records what failed and what exists, gives the environment back and tells of the
// end. A rule on the state machine's executions calls it too, for those that are stopped, time out or
// break without a record; of these it records what still moves and does not wait for it.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
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
	stage.Start("RecordFailure", rt.Log, record.NewFailure(account.NewConnector(rt.AWS), teardown.Leftovers, history, locks, bus).Run)
}
