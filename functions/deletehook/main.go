// Command deletehook answers the custom resource of the provider stacks: it removes an environment when
// its provider stack is deleted. The orchestrator has the master copy; target accounts get their own.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/harmonix-eks/environment-provider/internal/deletehook"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type config struct {
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME"`
	// WindowSeconds is for tests; zero is the usual one.
	WindowSeconds int `env:"WINDOW_SECONDS" envDefault:"0"`
}

func main() {
	rt := stage.Load[config]()
	hook := deletehook.New(deletehook.Options{
		Orchestrator: deletehook.Connect(rt.AWS),
		Stacks:       stack.New(cloudformation.NewFromConfig(rt.AWS), stack.Options{}),
		Lambda:       awslambda.NewFromConfig(rt.AWS),
		Function:     rt.Config.Function,
		Window:       time.Duration(rt.Config.WindowSeconds) * time.Second,
		Log:          rt.Log,
	})
	lambda.Start(hook.Invoke)
}
