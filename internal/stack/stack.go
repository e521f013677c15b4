// Package stack converges CloudFormation stacks: given what one stack should be, it creates,
// updates, repairs or waits until the stack is that, or says why it cannot be.
//
// It owns the answer to every stack status, the client request tokens, and the reading of failed
// operations. It must not know what is in a stack or which stage asks.
package stack

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// api is what the engine uses of *cloudformation.Client.
type api interface {
	reader
	writer
	planner
}

type reader interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
	GetTemplate(context.Context, *cloudformation.GetTemplateInput, ...func(*cloudformation.Options)) (*cloudformation.GetTemplateOutput, error)
	ListStackResources(context.Context, *cloudformation.ListStackResourcesInput, ...func(*cloudformation.Options)) (*cloudformation.ListStackResourcesOutput, error)
	GetStackPolicy(context.Context, *cloudformation.GetStackPolicyInput, ...func(*cloudformation.Options)) (*cloudformation.GetStackPolicyOutput, error)
}

type writer interface {
	CreateStack(context.Context, *cloudformation.CreateStackInput, ...func(*cloudformation.Options)) (*cloudformation.CreateStackOutput, error)
	UpdateStack(context.Context, *cloudformation.UpdateStackInput, ...func(*cloudformation.Options)) (*cloudformation.UpdateStackOutput, error)
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
	RollbackStack(context.Context, *cloudformation.RollbackStackInput, ...func(*cloudformation.Options)) (*cloudformation.RollbackStackOutput, error)
	ContinueUpdateRollback(context.Context, *cloudformation.ContinueUpdateRollbackInput, ...func(*cloudformation.Options)) (*cloudformation.ContinueUpdateRollbackOutput, error)
	UpdateTerminationProtection(context.Context, *cloudformation.UpdateTerminationProtectionInput, ...func(*cloudformation.Options)) (*cloudformation.UpdateTerminationProtectionOutput, error)
	SetStackPolicy(context.Context, *cloudformation.SetStackPolicyInput, ...func(*cloudformation.Options)) (*cloudformation.SetStackPolicyOutput, error)
}

// Spec is what one stack should be, and on whose behalf.
type Spec struct {
	Name string
	// Template is the JSON body, at most 51,200 bytes.
	Template   string
	Parameters map[string]string
	// Tags reach every resource of the stack, so a changed tag updates them all
	// (aws-traps.md, row 1.76): nothing that varies between executions belongs here.
	Tags map[string]string
	// RoleARN is the role CloudFormation works with. Without it CloudFormation works with the
	// caller's session as it is at the call, which ends within the hour (rows 1.63, 1.64); only
	// the stack that makes the role goes without.
	RoleARN string
	// Capabilities default to CAPABILITY_NAMED_IAM.
	Capabilities []types.Capability
	// Kinds are the kinds of updates of which the stack takes one at a time, in the order in which
	// they are made; none means that every difference may travel in one update.
	Kinds []Kind
	// Fixed are parameters that decide what the stack holds: a spec that changes one on a sound
	// stack is refused (aws-traps.md, rows 1.1 to 1.3).
	Fixed []string
	// Given are parameters that keep the value that the stack was made with, whatever the spec says: of
	// several that share a stack, and may make it at the same moment, none changes them for the others.
	Given []string
	// Follows are parameters that say what others have made of the stack's resources, such as the size of
	// a group that an autoscaler works on. A difference in them alone is none; an update for another
	// reason sends them.
	Follows []string
	// Hidden are the parameters that CloudFormation takes and does not show (NoEcho). They are not
	// compared: another parameter has to change with them.
	Hidden []string
	// Policy is the stack policy. Empty leaves the stack's policy as it is.
	Policy string
	// Execution and Since are one run: the execution's ARN, and the time its state was entered,
	// which must stay the same over the state's retries. An operation that the run started is
	// recognized by them, and a redriven execution, whose state is entered anew, is another run.
	Execution string
	Since     time.Time
}

// Outcome is a stack that is what its spec says, or in a rehearsal what it would be.
type Outcome struct {
	// Change is what happened to the stack since the state was entered.
	Change environment.Change
	// StackID is empty for a stack that does not exist.
	StackID string
	// Outputs of a rehearsal are [environment.KnownAfterApply] where they are.
	Outputs map[string]string
	// Plan is what the change consists of, in a rehearsal.
	Plan *environment.Plan
}

// Progress begins the section of a stage that converged this stack.
func (o Outcome) Progress() environment.Progress {
	return environment.Progress{Change: o.Change, Plan: o.Plan}
}

// Options are the engine's clock and patience. The zero value is right outside of tests.
type Options struct {
	// Delays are the pauses between looks at a moving stack; the last one repeats. The default,
	// 2, 3, 5, 5 s, keeps four environments with three branches each below the rate at which
	// DescribeStacks throttles, which is per account and region (aws-traps.md, row 1.68).
	Delays []time.Duration
	// Window is how long Converge waits before it hands back InProgress; [timer.Window] by default, so that
	// a wait of ten minutes costs 25 transitions.
	Window time.Duration
	// Rehearse makes Converge say what it would do instead of doing it. An engine that rehearses
	// changes nothing at all.
	Rehearse bool
	// Jitter varies a delay, by up to a fifth by default, to keep parallel branches apart.
	Jitter func(time.Duration) time.Duration
	// Now is the clock.
	Now func() time.Time
	// Wait returns after the duration, or with the context's error when that ends first.
	Wait func(context.Context, time.Duration) error
}

// Engine converges stacks of one account and region.
type Engine struct {
	api     api
	options Options
}

// New returns an engine that works through client, a *cloudformation.Client.
func New(client api, o Options) *Engine {
	if len(o.Delays) == 0 {
		o.Delays = []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second}
	}
	if o.Window == 0 {
		o.Window = timer.Window
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration {
			return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads calls, guards nothing
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = timer.Wait
	}
	return &Engine{api: client, options: o}
}

// Description is a stack as CloudFormation describes it.
type Description struct {
	StackID string
	Status  types.StackStatus
	// Reason is why the stack has its status, often empty.
	Reason     string
	Outputs    map[string]string
	Parameters map[string]string
	// Tags are the stack's own, without those that AWS adds.
	Tags    map[string]string
	RoleARN string
	// Protected says that the stack cannot be deleted before its termination protection is lifted.
	Protected bool
	Created   time.Time
	// Updated is zero for a stack that was never updated, and Deleted for one that is still there.
	Updated, Deleted time.Time
}

// Moving reports whether an operation on the stack is under way.
func (d Description) Moving() bool { return actionFor(d.Status) == join }

// Leaving reports whether the stack is being deleted.
func (d Description) Leaving() bool { return d.Status == types.StackStatusDeleteInProgress }

// Kept reports whether the stack is one that Converge keeps, and not one that it replaces or that is
// on its way out.
func (d Description) Kept() bool {
	switch actionFor(d.Status) {
	case create, replace:
		return false
	}
	return d.Status != types.StackStatusRollbackInProgress && d.Status != types.StackStatusDeleteInProgress
}

// LastEvent is when the last thing happened to the stack of that name or id: for one at rest, when
// its last operation ended. It is zero for a stack whose events are forgotten, after 90 days.
func (e *Engine) LastEvent(ctx context.Context, name string) (time.Time, error) {
	out, err := e.api.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &name})
	if err != nil {
		return time.Time{}, classify(err, "cloudformation:DescribeStackEvents", name)
	}
	if len(out.StackEvents) == 0 {
		return time.Time{}, nil
	}
	return aws.ToTime(out.StackEvents[0].Timestamp), nil // the newest is the first
}

// Describe looks at the stack called name, which may be an id too. It reports false if there is
// none; by id, a deleted stack is found for 90 days (aws-traps.md, row 1.67).
func (e *Engine) Describe(ctx context.Context, name string) (Description, bool, error) {
	out, err := e.api.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isAbsent(err) {
		return Description{}, false, nil
	}
	if err != nil {
		return Description{}, false, classify(err, "cloudformation:DescribeStacks", name)
	}
	if len(out.Stacks) != 1 {
		return Description{}, false, fault.New(fault.Internal, "describing stack %s gave %d stacks", name, len(out.Stacks))
	}
	return description(out.Stacks[0]), true, nil
}

// description turns CloudFormation's answer into ours.
func description(s types.Stack) Description {
	d := Description{
		StackID:    aws.ToString(s.StackId),
		Status:     s.StackStatus,
		Reason:     aws.ToString(s.StackStatusReason),
		Outputs:    make(map[string]string, len(s.Outputs)),
		Parameters: make(map[string]string, len(s.Parameters)),
		Tags:       make(map[string]string, len(s.Tags)),
		RoleARN:    aws.ToString(s.RoleARN),
		Protected:  aws.ToBool(s.EnableTerminationProtection),
		Created:    aws.ToTime(s.CreationTime),
		Updated:    aws.ToTime(s.LastUpdatedTime),
		Deleted:    aws.ToTime(s.DeletionTime),
	}
	for _, o := range s.Outputs {
		d.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, p := range s.Parameters {
		d.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range s.Tags {
		if key := aws.ToString(t.Key); !strings.HasPrefix(key, "aws:") {
			d.Tags[key] = aws.ToString(t.Value)
		}
	}
	return d
}
