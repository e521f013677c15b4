// Command recordfailure is the RecordFailure stage: it waits until nothing of the environment
// moves any more, records what failed and what exists, and gives the environment back. A rule on
// the state machine's executions calls it too, for those that are stopped, time out or break
// without a record; of these it records what still moves and does not wait for it.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Table string `env:"TABLE"`
}

func main() {
	rt := stage.Load[config]()
	db := dynamodb.NewFromConfig(rt.AWS)
	s := record.NewFailure(account.NewConnector(rt.AWS), record.NewHistory(db, rt.Config.Table), lock.NewTable(db, rt.Config.Table))
	stage.Start("RecordFailure", rt.Log, s.Run)
}
