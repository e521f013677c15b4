package deletehook

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Connect is the [Orchestrator] that is reached from base, the function's own configuration.
func Connect(base aws.Config) Orchestrator {
	connector := account.NewConnector(base)
	return func(ctx context.Context, roleARN, stateMachineARN string) (Executions, error) {
		const region, parts = 3, 7
		machine := strings.Split(stateMachineARN, ":")
		if len(machine) != parts {
			return nil, fault.New(fault.Internal, "%q is not the ARN of a state machine", stateMachineARN)
		}
		cfg, err := connector.Connect(ctx, account.Target{Region: machine[region], RoleARN: roleARN, Session: "delete-hook"})
		if err != nil {
			return nil, err
		}
		return sfn.NewFromConfig(cfg), nil
	}
}
