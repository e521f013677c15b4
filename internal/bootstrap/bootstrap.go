// Package bootstrap converges what all environments of an account and region share and outlive:
// CloudFormation's service role and the artifact bucket (design, decision 2).
package bootstrap

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type connector interface {
	Connect(ctx context.Context, target account.Target) (aws.Config, error)
}

// Stage is the Bootstrap stage.
type Stage struct {
	connector       connector
	platformAccount string
}

// New returns the stage for an orchestrator in platformAccount.
func New(c connector, platformAccount string) *Stage {
	return &Stage{connector: c, platformAccount: platformAccount}
}

// Run converges the bootstrap stack. Two environments that bootstrap one region at once join the
// same stack operation.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Bootstrap, error) {
	cfg, err := s.connector.Connect(ctx, account.TargetOf(in.State.Request))
	if err != nil {
		return nil, err
	}
	spec := in.Spec(in.State.Names.BootstrapStack, templates.Bootstrap, map[string]string{
		"PlatformAccount": s.platformAccount,
	})
	// The stack outlives the environment that happens to make it and belongs to none.
	spec.Tags = nil
	// It makes the service role, so it cannot be made with it. A role and a bucket take seconds.
	spec.RoleARN = ""
	out, err := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{}).Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Bootstrap{
		Progress:       environment.Progress{Change: out.Change},
		ServiceRoleARN: out.Outputs["ServiceRoleArn"],
		ArtifactBucket: out.Outputs["ArtifactBucket"],
	}, nil
}
