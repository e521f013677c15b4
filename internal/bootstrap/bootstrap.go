// Package bootstrap converges what all environments of an account and region share and outlive:
// CloudFormation's service role, the artifact bucket and the delete hook (design, decisions 2 and 6).
package bootstrap

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// Options are what the stage has to know of where it runs. Now is for tests.
type Options struct {
	// PlatformAccount is the orchestrator's account.
	PlatformAccount string
	// DeleteHook is the name or ARN of the orchestrator's own copy of the delete hook, StarterRoleARN the
	// role that the copies start deletions with.
	DeleteHook     string
	StarterRoleARN string
	// Settle is how long IAM is given to tell everyone of a service role that was made or changed:
	// the stages after this one work with its permissions at once (aws-traps.md, row 1.48).
	Settle time.Duration
	// Leftovers lists what there is of an environment outside of its stacks.
	Leftovers func(ctx context.Context, cfg aws.Config, n environment.Names) ([]string, error)
	Now       func() time.Time
}

// Stage is the Bootstrap stage.
type Stage struct {
	connector target.Connector
	master    master
	options   Options
}

// New returns the stage. m answers for the orchestrator's own account and region.
func New(c target.Connector, m master, o Options) *Stage {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Stage{connector: c, master: m, options: o}
}

// Run converges the bootstrap stack and then the delete hook's, which stands on it. Two environments
// that bootstrap one region at once join the same stack operation. The stage is the first to meet the
// target and runs alone, so it also refuses a request that does not fit the environment as it exists.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Bootstrap, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if in.State.Request.Operation == environment.OperationDelete {
		if section, done, err := sound(ctx, t.Stacks, in.State.Names); err != nil || done {
			return section, err
		}
	} else if err := t.CheckFixed(ctx); err != nil {
		return nil, err
	}
	spec := shared(t, in, in.State.Names.BootstrapStack, templates.Bootstrap, map[string]string{"PlatformAccount": s.options.PlatformAccount})
	// It makes the service role, so it cannot be made with it. A role and a bucket take seconds.
	spec.RoleARN = ""
	begun := time.Now()
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	if !in.State.Request.Plans() {
		if err := s.settle(ctx, t.Stacks, out.StackID, begun); err != nil {
			return nil, err
		}
	}
	made := section(out.Progress(), out.Outputs)
	if made.Before, err = s.before(ctx, t.Stacks, t.Config, in.State); err != nil {
		return nil, err
	}
	return made, s.deleteHook(ctx, t, in, made)
}

// before lists what there is of the environment, for a request that wants a first creation removed if
// it fails: only of an environment of which there is nothing now, anything may be removed then. This is
// the place to look, because the lock is held and no state of this execution has made anything yet.
func (s *Stage) before(ctx context.Context, stacks describer, cfg aws.Config, state environment.State) ([]string, error) {
	if !state.Request.Undoes() {
		return nil, nil
	}
	there := []string{}
	for _, name := range state.Names.Stacks() {
		_, found, err := stacks.Describe(ctx, name)
		if err != nil {
			return nil, err
		}
		if found {
			there = append(there, "stack "+name)
		}
	}
	beside, err := s.options.Leftovers(ctx, cfg, state.Names)
	return append(there, beside...), err
}

// shared is a stack that all environments share: it outlives the one that happens to make it and
// belongs to none. The request that makes it bounds its roles.
func shared(t *target.Target, in stage.Input, name, template string, parameters map[string]string) stack.Spec {
	parameters["PermissionsBoundary"] = in.State.Request.PermissionsBoundary
	spec := t.Spec(name, template, parameters)
	spec.Given = []string{"PermissionsBoundary"}
	spec.Tags = nil
	return spec
}

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// sound reports whether the bootstrap stack does for a deletion as it is: it need not be up to date,
// and where there is nothing to delete it need not be there. Otherwise it has to be made: without the
// service role CloudFormation deletes no stack.
func sound(ctx context.Context, stacks describer, n environment.Names) (*environment.Bootstrap, bool, error) {
	unchanged := environment.Progress{Change: environment.Unchanged}
	live, found, err := stacks.Describe(ctx, n.BootstrapStack)
	if err != nil {
		return nil, false, err
	}
	if found && live.Kept() && !live.Moving() {
		answered, err := answered(ctx, stacks, n)
		if err != nil || answered {
			return section(unchanged, live.Outputs), answered, err
		}
	}
	for _, name := range n.Stacks() {
		if _, found, err = stacks.Describe(ctx, name); err != nil || found {
			return nil, false, err
		}
	}
	return section(unchanged, nil), true, nil
}

// answered reports whether somebody answers when CloudFormation deletes the provider stack: the delete
// hook, where the stack asks it. Without an answer CloudFormation waits for an hour and gives up.
func answered(ctx context.Context, stacks describer, n environment.Names) (bool, error) {
	provider, found, err := stacks.Describe(ctx, n.ProviderStack)
	if err != nil || !found || provider.Parameters["DeleteHookArn"] == "" {
		return err == nil, err
	}
	hook, found, err := stacks.Describe(ctx, environment.DeleteHookStack)
	return found && hook.Kept() && !hook.Moving(), err
}

func section(progress environment.Progress, outputs map[string]string) *environment.Bootstrap {
	return &environment.Bootstrap{
		Progress:       progress,
		ServiceRoleARN: outputs["ServiceRoleArn"],
		ArtifactBucket: outputs["ArtifactBucket"],
	}
}

type reader interface {
	LastEvent(ctx context.Context, name string) (time.Time, error)
}

// settle waits until the service role is settled, within what is left of a window that has begun: another
// stack is to be converged after it.
func (s *Stage) settle(ctx context.Context, stacks reader, id string, begun time.Time) error {
	window, cancel := context.WithDeadline(ctx, begun.Add(timer.Window))
	defer cancel()
	return stage.Poll(window, func(context.Context) error { return s.settled(ctx, stacks, id) })
}

// settled answers [fault.InProgress] until the stack's last operation, whoever started it, is long
// enough ago.
func (s *Stage) settled(ctx context.Context, stacks reader, id string) error {
	if s.options.Settle == 0 {
		return nil
	}
	last, err := stacks.LastEvent(ctx, id)
	if err != nil {
		return err
	}
	if ago := s.options.Now().Sub(last); ago < s.options.Settle {
		return fault.New(fault.InProgress, "the service role was made or changed %.0f s ago and is given %.0f s to be known everywhere", ago.Seconds(), s.options.Settle.Seconds())
	}
	return nil
}
