package deletehook

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Connect is the [Orchestrator] that is reached from base, the function's own configuration. The role is
// assumed in the orchestrator's region, which its account has: STS refuses to where the role's account has
// not enabled the region that is asked, and the function's own may be one that is off by default
// (https://github.com/aws/aws-cdk/issues/26562).
func Connect(base aws.Config) Orchestrator {
	return func(ctx context.Context, roleARN, stateMachineARN string) (Executions, error) {
		const region, parts = 3, 7
		machine := strings.Split(stateMachineARN, ":")
		if len(machine) != parts {
			return nil, fault.New(fault.Internal, "%q is not the ARN of a state machine", stateMachineARN)
		}
		there := base.Copy()
		there.Region = machine[region]
		cfg, err := account.NewConnector(there).Connect(ctx, account.Target{Region: there.Region, RoleARN: roleARN, Session: "delete-hook"})
		if err != nil {
			return nil, err
		}
		return sfn.NewFromConfig(cfg), nil
	}
}
