// Package bootstrap converges what all environments of an account and region share and outlive:
// CloudFormation's service role and the artifact bucket (design, decision 2).
package bootstrap

import (
	"context"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Bootstrap stage.
type Stage struct {
	connector       target.Connector
	platformAccount string
}

// New returns the stage for an orchestrator in platformAccount.
func New(c target.Connector, platformAccount string) *Stage {
	return &Stage{connector: c, platformAccount: platformAccount}
}

// Run converges the bootstrap stack. Two environments that bootstrap one region at once join the
// same stack operation.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Bootstrap, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	spec := t.Spec(in.State.Names.BootstrapStack, templates.Bootstrap, map[string]string{
		"PlatformAccount": s.platformAccount,
	})
	// The stack outlives the environment that happens to make it and belongs to none.
	spec.Tags = nil
	// It makes the service role, so it cannot be made with it. A role and a bucket take seconds.
	spec.RoleARN = ""
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Bootstrap{
		Progress:       environment.Progress{Change: out.Change},
		ServiceRoleARN: out.Outputs["ServiceRoleArn"],
		ArtifactBucket: out.Outputs["ArtifactBucket"],
	}, nil
}
