// Package target is the target account as a stage works in it: it connects as the environment
// role and converges an environment's stacks there.
package target

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// Connector hands out a configuration for a target account; [account.Connector] is the real one.
type Connector interface {
	Connect(ctx context.Context, t account.Target) (aws.Config, error)
}

// Target is one request's account and region.
type Target struct {
	// Config has the environment role's credentials.
	Config aws.Config
	// Stacks is CloudFormation there. For a plan it says what it would do, and changes nothing.
	Stacks *stack.Engine
	input  stage.Input
}

// Connect assumes the environment role of in's request.
func Connect(ctx context.Context, c Connector, in stage.Input) (*Target, error) {
	cfg, err := c.Connect(ctx, account.TargetOf(in.State.Request))
	if err != nil {
		return nil, err
	}
	engine := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{Rehearse: in.State.Request.Plans()})
	return &Target{Config: cfg, Stacks: engine, input: in}, nil
}

// Spec is the stack called name as the input's environment wants it: with the request's tags and
// under CloudFormation's service role.
func (t *Target) Spec(name, template string, parameters map[string]string) stack.Spec {
	s := t.input.State
	tags := maps.Clone(s.Request.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[environment.Tag] = s.Names.Environment
	spec := stack.Spec{
		Name:       name,
		Template:   template,
		Parameters: parameters,
		Tags:       tags,
		Execution:  s.Execution.ARN,
		Since:      t.input.Entered,
	}
	if s.Bootstrap != nil {
		spec.RoleARN = s.Bootstrap.ServiceRoleARN
	}
	return spec
}

// Converge makes the stack called name so, or for a plan says what that would change; see
// [stack.Engine.Converge].
func (t *Target) Converge(ctx context.Context, name, template string, parameters map[string]string) (stack.Outcome, error) {
	return t.Stacks.Converge(ctx, t.Spec(name, template, parameters))
}
