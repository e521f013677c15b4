// Package capacity converges what an environment's pods run on: a managed node group, or a Fargate
// profile. Nodes join the cluster only with a way out of the VPC, so the stage comes after Egress.
package capacity

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Capacity stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the capacity stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Capacity, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	c := capacity{target: t, engine: t.Stacks, eks: eks.NewFromConfig(t.Config), in: in}
	converge := c.fargate
	if in.State.Request.NodeType == environment.NodeTypeManaged {
		converge = c.managed
	}
	section, err := converge(ctx)
	if err != nil {
		return nil, explain(ctx, c.eks, in.State.Names.Cluster, err)
	}
	return section, nil
}

type engine interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
	Converge(ctx context.Context, spec stack.Spec) (stack.Outcome, error)
}

// capacity is one call of the stage.
type capacity struct {
	target *target.Target
	engine engine
	eks    *eks.Client
	in     stage.Input
}

func (c capacity) fargate(ctx context.Context) (*environment.Capacity, error) {
	template, err := FargateTemplate(c.in.State.Request)
	if err != nil {
		return nil, err
	}
	spec := c.target.Spec(c.in.State.Names.CapacityStack, template, FargateParameters(c.in.State))
	out, err := c.engine.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Capacity{
		Progress:        out.Progress(),
		FargateProfiles: []string{nameIn(out.Outputs["ProfileArn"])},
	}, nil
}

func (c capacity) managed(ctx context.Context) (*environment.Capacity, error) {
	name := c.in.State.Names.CapacityStack
	live, _, err := c.engine.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	desired, err := desiredSize(ctx, c.eks, c.in.State, nameIn(live.Outputs["NodeGroupArn"]), live.Parameters["DesiredSize"])
	if err != nil {
		return nil, err
	}
	template, err := ManagedTemplate(c.in.State.Request)
	if err != nil {
		return nil, err
	}
	spec := c.target.Spec(name, template, ManagedParameters(c.in.State, desired))
	spec.Kinds, spec.Follows = kinds(), []string{"DesiredSize"}
	out, err := c.engine.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Capacity{
		Progress:      out.Progress(),
		NodeGroupName: nameIn(out.Outputs["NodeGroupArn"]),
	}, nil
}

// nameIn is the name in the ARN of a node group or Fargate profile, "…/{cluster}/{name}/{id}". What
// Ref returns for them differs between CloudFormation's documents.
func nameIn(arn string) string {
	if parts := strings.Split(arn, "/"); len(parts) == 4 {
		return parts[2]
	}
	return ""
}
