package stack

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// margin is kept of the context's deadline for a last look and the answer.
	margin = 2 * time.Second
	// freshFor is for how long after the state was entered a role may still be too new for the
	// service that has to assume it.
	freshFor = 2 * time.Minute
	// maxCreates bounds the creates of one invocation.
	maxCreates = 5
)

// convergence is one call of Converge.
type convergence struct {
	*Engine
	spec Spec
	// change is what this call itself did, empty if nothing.
	change environment.Change
	// creates counts the creates that this call asked for.
	creates int
	// awaited says that this call has seen the stack at work on something other than its deletion, and has
	// not deleted it itself.
	awaited bool
}

// Converge makes the stack what spec says. While an operation is under way it looks at the stack
// again and again for [Options.Window], then hands back [fault.InProgress]; calling it again is
// safe at any time and continues. A stack that is right already is not touched.
//
// It starts each kind of operation once in a run on the same stack, and of updates one for each of
// the spec's [Kind]s that differs. A failed operation of the run
// is reported with the first resource that failed; one from before the run is repaired and the
// spec tried again. One exception: a create that failed because a role was too new to be assumed
// is made anew while the run is young (aws-traps.md, row 1.48).
func (e *Engine) Converge(ctx context.Context, spec Spec) (Outcome, error) {
	if err := spec.check(); err != nil {
		return Outcome{}, err
	}
	c := &convergence{Engine: e, spec: spec}
	if e.options.Rehearse {
		return c.rehearse(ctx, c.end(ctx))
	}
	live, err := c.until(ctx, spec.Name, c.step)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Change: c.changeOf(live), StackID: live.StackID, Outputs: live.Outputs}, nil
}

// end is when this call has to answer.
func (c *convergence) end(ctx context.Context) time.Time {
	end := c.options.Now().Add(c.options.Window)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-margin).Before(end) {
		end = deadline.Add(-margin)
	}
	return end
}

// until looks at the stack called name, which may be an id, and takes the next step about it, until
// the step says that nothing is left to do. It returns the last look.
func (c *convergence) until(ctx context.Context, name string, step func(context.Context, Description, bool) (bool, error)) (Description, error) {
	end := c.end(ctx)
	for look := 0; ; look++ {
		live, found, err := c.Describe(ctx, name)
		if err != nil {
			return live, err
		}
		done, err := step(ctx, live, found)
		if err != nil || done {
			return live, err
		}
		delay := c.options.Jitter(c.options.Delays[min(look, len(c.options.Delays)-1)])
		if c.options.Now().Add(delay).After(end) {
			return live, c.inProgress(live, found)
		}
		if err := c.options.Wait(ctx, delay); err != nil {
			return live, c.inProgress(live, found)
		}
	}
}

// step does the next thing about the stack and reports whether nothing is left to do.
func (c *convergence) step(ctx context.Context, live Description, found bool) (done bool, err error) {
	do := create
	if found {
		do = actionFor(live.Status)
	}
	switch do {
	case create:
		if c.awaited {
			// The execution may have been stopped, and this call goes on: what a deletion has removed
			// meanwhile must not come back.
			return false, fault.New(fault.Conflict, "stack %s was deleted by somebody else while it was waited for", c.spec.Name).
				WithNext("start the same request again, when nobody deletes the environment")
		}
		return false, c.create(ctx)
	case join:
		c.awaited = c.awaited || !live.Leaving()
		return false, nil
	case update:
		return c.update(ctx, live)
	case replace:
		c.awaited = false
		return false, c.replace(ctx, live)
	case resume:
		return false, c.repair(ctx, live, kindContinue, func(token string) error {
			_, err := c.api.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{
				StackName: &live.StackID, ClientRequestToken: &token, RoleARN: optional(c.spec.RoleARN),
			})
			return err
		})
	case rollback:
		if c.spec.stays() {
			return false, c.retry(ctx, live)
		}
		return false, c.repair(ctx, live, kindRollback, func(token string) error {
			_, err := c.api.RollbackStack(ctx, &cloudformation.RollbackStackInput{
				StackName: &live.StackID, ClientRequestToken: &token, RoleARN: optional(c.spec.RoleARN),
			})
			return err
		})
	default:
		return false, c.refusal(live)
	}
}

// refusal is the fault of a stack that only a person can bring on.
func (c *convergence) refusal(live Description) error {
	return fault.New(fault.Failed, "stack %s is %s, which the provider cannot repair: %s", c.spec.Name, live.Status, live.Reason).
		WithNext("bring the stack to a COMPLETE status or delete it in CloudFormation, then start the same request again")
}

// create asks for a new stack.
func (c *convergence) create(ctx context.Context) error {
	if c.creates++; c.creates > maxCreates {
		return fault.New(fault.Transient, "stack %s was created %d times and is still not there", c.spec.Name, maxCreates)
	}
	// The attempt makes tokens differ: CloudFormation may remember the token of a create whose
	// stack has been deleted since, and would then make nothing.
	token := c.spec.token(kindCreate, attempt(c.creates))
	_, err := c.api.CreateStack(ctx, c.spec.createInput(token))
	switch {
	case err == nil:
		c.change = environment.Created
		return nil
	case isStarted(err):
		return nil
	}
	return classify(err, "cloudformation:CreateStack", c.spec.Name)
}

// update brings a stack at rest to its spec, by as many updates as its kinds ask for.
func (c *convergence) update(ctx context.Context, live Description) (done bool, err error) {
	if err := c.spec.checkFixed(live); err != nil {
		return false, err
	}
	c.spec = c.spec.with(live)
	steps, err := c.pending(ctx, live)
	if err != nil {
		return false, err
	}
	if len(steps) == 0 {
		return true, c.ensurePolicy(ctx, live)
	}
	past, err := c.history(ctx, live)
	if err != nil {
		return false, err
	}
	for _, s := range steps {
		if past.started(s.kind) {
			if live.Status != types.StackStatusUpdateComplete {
				return false, c.failure(live, past.cause(s.kind))
			}
			// The run's update went through and yet something differs, so CloudFormation keeps it in
			// another form than it was given. Another update would differ too, and so on for ever.
			continue
		}
		_, err = c.api.UpdateStack(ctx, s.updateInput(c.spec.token(s.kind, live.version())))
		switch {
		case err == nil:
			c.change = environment.Updated
			return false, nil
		case isNoUpdate(err):
		case isStarted(err), isMoving(err), isAbsent(err):
			return false, nil
		default:
			return false, classify(err, "cloudformation:UpdateStack", c.spec.Name)
		}
	}
	return true, c.ensurePolicy(ctx, live)
}

// changeOf says what the run did to a stack that is now right. The call that ends a run is rarely
// the one that began it, so it is read from the stack's own times. Step Functions' clock and
// CloudFormation's may differ a little; at stake is only the word in the report, since whether to
// act never depends on them.
func (c *convergence) changeOf(live Description) environment.Change {
	switch {
	case c.change == environment.Created || !live.Created.Before(c.spec.Since):
		return environment.Created
	case c.change == environment.Updated || !live.Updated.Before(c.spec.Since):
		return environment.Updated
	}
	return environment.Unchanged
}

// inProgress says what is still being waited for.
func (c *convergence) inProgress(live Description, found bool) error {
	if !found {
		return fault.New(fault.InProgress, "stack %s is about to be created", c.spec.Name)
	}
	return fault.New(fault.InProgress, "stack %s is %s", c.spec.Name, live.Status)
}
