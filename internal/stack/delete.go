package stack

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// heldDeletes is how often a run deletes a stack that something still holds on to, and heldPause
	// the time between: network interfaces and load balancers are let go of with a delay, and
	// CloudFormation itself has waited before it gave up (aws-traps.md, rows 6.1 to 6.4).
	heldDeletes = 4
	heldPause   = 2 * time.Minute
	// updatePatience is for how long a run goes on deleting a stack that holds something with an update in
	// progress. EKS updates clusters also on its own, and deletes none meanwhile (aws-traps.md, row 1.7).
	updatePatience = time.Hour
	// failedDeletes is how often a run deletes a stack that fails for another reason.
	failedDeletes = 2
)

// Removal says which stack is to go, and on whose behalf.
type Removal struct {
	// Name is the stack's; ID, where it was seen before, finds it after its end as well.
	Name, ID string
	// RoleARN is the role that CloudFormation works with; empty leaves it the stack's own.
	RoleARN string
	// Retain are the logical ids of resources that stay.
	Retain []string
	// Execution and Since are one run, as in [Spec].
	Execution string
	Since     time.Time
	// Yields says that the run does not wait for a deletion that somebody else has started: that one
	// may be waiting for the run.
	Yields bool
}

// Deletion says who deletes a stack.
type Deletion int

// The deletions of a stack.
const (
	// NoDeletion is under way.
	NoDeletion Deletion = iota
	// OwnDeletion was started by an engine of the provider, in whichever run.
	OwnDeletion
	// ForeignDeletion was started by somebody else.
	ForeignDeletion
)

// DeletedBy says whether the stack of that id is being deleted, by whom, and since when. A resource of a
// stack is deleted for other reasons too: when its creation is rolled back, or an update is cleaned up.
func (e *Engine) DeletedBy(ctx context.Context, id string) (Deletion, time.Time, error) {
	live, found, err := e.Describe(ctx, id)
	if err != nil || !found || live.Status != types.StackStatusDeleteInProgress {
		return NoDeletion, time.Time{}, err
	}
	return e.deletedBy(ctx, live)
}

// deletedBy reads from the stack's events who has started its deletion: newest first, the first event
// that says so of the stack itself.
func (e *Engine) deletedBy(ctx context.Context, live Description) (Deletion, time.Time, error) {
	input := &cloudformation.DescribeStackEventsInput{StackName: &live.StackID}
	for {
		out, err := e.api.DescribeStackEvents(ctx, input)
		if err != nil {
			return NoDeletion, time.Time{}, classify(err, "cloudformation:DescribeStackEvents", live.StackID)
		}
		for _, event := range out.StackEvents {
			if aws.ToString(event.PhysicalResourceId) == live.StackID && event.ResourceStatus == types.ResourceStatusDeleteInProgress {
				if strings.HasPrefix(aws.ToString(event.ClientRequestToken), tokenPrefix+"-") {
					return OwnDeletion, aws.ToTime(event.Timestamp), nil
				}
				return ForeignDeletion, aws.ToTime(event.Timestamp), nil
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return NoDeletion, time.Time{}, fault.New(fault.Transient, "stack %s is being deleted, and no event of it says so", live.StackID)
		}
		input = &cloudformation.DescribeStackEventsInput{StackName: &live.StackID, NextToken: out.NextToken}
	}
}

const (
	// none: there is nothing to do.
	none action = "none"
	// remove deletes the stack.
	remove action = "remove"
	// removeAgain deletes a stack that could not be deleted before.
	removeAgain action = "remove again"
)

// removalFor answers the wish that a stack of that status were gone. Every stack at rest may be deleted,
// also one that a failed update left behind: what it would take to repair it goes with it. The end of a
// stack that moves is awaited: one that is deleted while it is being made can lose a resource that comes
// into being at that moment (aws-traps.md, row 6.7).
func removalFor(status types.StackStatus) action {
	convergence, known := actions[status]
	switch {
	case !known:
		return refuse
	case convergence == join:
		return join
	case status == types.StackStatusDeleteComplete:
		return none
	case status == types.StackStatusDeleteFailed:
		// Something could not be deleted. It is tried again, and never retained unasked.
		return removeAgain
	}
	return remove
}

// Delete makes the stack be gone, and says whether it was there. Like [Engine.Converge] it waits for
// [Options.Window] at most, hands back [fault.InProgress], and is safe to be called again.
//
// A stack left to somebody else's deletion ([Removal.Yields]) counts as deleted.
//
// Termination protection is lifted. A deletion that fails is tried again, several times where
// something may only need time to let go; then the resource that failed first in the last of them is
// reported.
func (e *Engine) Delete(ctx context.Context, r Removal) (environment.Change, error) {
	if r.Name == "" || r.Execution == "" || r.Since.IsZero() {
		return "", fault.New(fault.Internal, "deleting a stack needs a name, an execution and the time its state was entered, got %q, %q and %s", r.Name, r.Execution, r.Since)
	}
	d := &deletion{convergence: convergence{Engine: e, spec: Spec{Name: r.Name, RoleARN: r.RoleARN, Execution: r.Execution, Since: r.Since}}, yields: r.Yields, retain: r.Retain}
	look := r.Name
	if r.ID != "" {
		// By name, a stack that somebody makes meanwhile would be taken for this one.
		look = r.ID
		d.change = environment.Deleted
	}
	if _, err := d.until(ctx, look, d.step); err != nil {
		return "", err
	}
	if d.change == "" {
		return environment.Unchanged, nil
	}
	return d.change, nil
}

// deletion is one call of Delete.
type deletion struct {
	convergence
	yields bool
	retain []string
}

// step does the next thing about the stack and reports whether it is gone.
func (d *deletion) step(ctx context.Context, live Description, found bool) (gone bool, err error) {
	if !found {
		return true, nil
	}
	switch removalFor(live.Status) {
	case none:
		return true, nil
	case join:
		d.change = environment.Deleted
		return d.yielded(ctx, live)
	case remove:
		if ready, err := d.retained(ctx, live); err != nil || !ready {
			return false, err
		}
		return false, d.remove(ctx, live, 0)
	case removeAgain:
		if ready, err := d.retained(ctx, live); err != nil || !ready {
			return false, err
		}
		return false, d.again(ctx, live)
	default: // newer than the table: a wrong guess could delete too much
		return false, fault.New(fault.Failed, "stack %s is %s, which the provider does not know: %s", d.spec.Name, live.Status, live.Reason).
			WithNext("delete the stack in CloudFormation, then start the same request again")
	}
}

// yielded reports whether the stack is left to somebody else's deletion.
func (d *deletion) yielded(ctx context.Context, live Description) (bool, error) {
	if !d.yields || live.Status != types.StackStatusDeleteInProgress {
		return false, nil
	}
	by, _, err := d.deletedBy(ctx, live)
	return by == ForeignDeletion, err
}

// remove asks for the deletion. The number of attempts before makes tokens differ.
func (d *deletion) remove(ctx context.Context, live Description, before int) error {
	if live.Protected {
		if err := d.unprotect(ctx, live); err != nil {
			return err
		}
	}
	d.change = environment.Deleted
	token := d.spec.token(kindDelete, live.StackID+" "+strconv.Itoa(before))
	// By id: by name, a delete that arrives late could hit the stack's successor.
	_, err := d.api.DeleteStack(ctx, &cloudformation.DeleteStackInput{
		StackName: &live.StackID, ClientRequestToken: &token, RoleARN: optional(d.spec.RoleARN),
	})
	if err == nil || isStarted(err) || isAbsent(err) || isMoving(err) {
		return nil
	}
	return classify(err, "cloudformation:DeleteStack", d.spec.Name)
}

// unprotect lifts the stack's termination protection: whoever asks for the environment to be removed
// means all of it (aws-traps.md, row 6.16).
func (d *deletion) unprotect(ctx context.Context, live Description) error {
	_, err := d.api.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{
		StackName: &live.StackID, EnableTerminationProtection: aws.Bool(false),
	})
	if err != nil && !isAbsent(err) {
		return classify(err, "cloudformation:UpdateTerminationProtection", d.spec.Name)
	}
	return nil
}

// again deletes once more what could not be deleted, unless the run has tried often enough.
func (d *deletion) again(ctx context.Context, live Description) error {
	past, err := d.history(ctx, live)
	if err != nil {
		return err
	}
	tried, cause, now := past.attempts(kindDelete), past.cause(kindDelete), d.options.Now()
	switch {
	case tried.suffice(cause, now):
		return d.failure(live, cause)
	case cause.held() && now.Sub(tried.last) < heldPause:
		return nil // something is let go of with time: the next look, or the next call, tries again
	}
	return d.remove(ctx, live, tried.count)
}

// attempts are a run's operations of one kind on a stack.
type attempts struct {
	count int
	// first is when the first of them began, and last when the last of them last spoke.
	first, last time.Time
}

// attempts are the run's operations of kind k.
func (h history) attempts(k kind) attempts {
	events := h[k]
	if len(events) == 0 {
		return attempts{}
	}
	tokens := map[string]bool{}
	for _, event := range events {
		tokens[aws.ToString(event.ClientRequestToken)] = true
	}
	return attempts{count: len(tokens), first: aws.ToTime(events[len(events)-1].Timestamp), last: aws.ToTime(events[0].Timestamp)}
}

// suffice reports whether a stack was deleted often enough, or for long enough, when the last time failed
// because of c.
func (a attempts) suffice(c cause, now time.Time) bool {
	switch {
	case c.updating():
		return now.Sub(a.first) >= updatePatience
	case c.held():
		return a.count >= heldDeletes
	}
	return a.count >= failedDeletes
}

// held reports whether the cause is something that holds on to a resource and may let go of it. The
// texts are EC2's DependencyViolation, EKS' ResourceInUseException and what they say in words.
func (c cause) held() bool {
	return containsAny(c.reason, "DependencyViolation", "has dependencies", "has a dependent object", "ResourceInUse", "currently in use", "in use by", "currently has", "mapped public address")
}

// updating reports whether the cause is an update that has to end first: "Cannot delete because cluster
// north-1 currently has an update in progress" (https://github.com/eksctl-io/eksctl/issues/4979).
func (c cause) updating() bool { return c.held() && strings.Contains(c.reason, "in progress") }
