// Command kubectl is the function inside an environment's network that works on its cluster's
// objects. It answers direct invocations in the wire protocol of the AWS CDK's kubectl handler.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/file"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

func main() {
	log.SetOutput(kubectl.RuntimeLog(os.Stderr))
	logger := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr}))
	cloud, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		logger.Error("AWS configuration cannot be loaded", "error", err)
		os.Exit(1)
	}
	handler := kubectl.New(kubectl.Options{
		Connector: kube.NewConnector(cloud),
		Roles:     kubectl.ParseRoles(os.Getenv("ASSUMABLE_ROLES")),
		Commands:  command.NewRunner(os.Getenv("KUBECTL_PATH"), os.Getenv("KUBECTL_MINOR")),
		Charts:    helm.NewCharts(cloud, nil),
		Files:     file.NewReader(cloud, nil),
		Log:       logger,
	})
	lambda.Start(handler.Invoke)
}
