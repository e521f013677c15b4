// Command lock is the Lock stage: it takes the environment for this execution alone.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Table string `env:"TABLE"`
}

func main() {
	rt := stage.Load[config]()
	table := lock.NewTable(dynamodb.NewFromConfig(rt.AWS), rt.Config.Table)
	stage.Start("Lock", rt.Log, lock.New(table, sfn.NewFromConfig(rt.AWS)).Run)
}
