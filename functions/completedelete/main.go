// Command completedelete is the CompleteDelete stage: it makes the result document of a removal,
// records it and gives the environment back.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

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
	s := record.NewCompleteDelete(record.NewHistory(db, rt.Config.Table), lock.NewTable(db, rt.Config.Table))
	stage.Start("CompleteDelete", rt.Log, s.Run)
}
