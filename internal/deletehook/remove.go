package deletehook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	// soon and later are the pauses between looks at an execution, and often is how often it is soon.
	soon, later = 2 * time.Second, 10 * time.Second
	often       = 30
	// attempts bounds the deletions of one stack. Somebody asks for each of them.
	attempts = 100
	// joins is how often a deletion that is in another one's way looks for that one.
	joins = 3
	// patience is how often a call is made whose error time cures.
	patience = 5
	// hour is how long CloudFormation waits for an answer (aws-traps.md, row 2.1).
	hour = time.Hour
	// spare is kept of an invocation's time to hand over.
	spare = 20 * time.Second
)

// remove makes the environment be gone.
//
// The resource's end is not always the environment's. CloudFormation asks for it too when a creation is
// rolled back or an update is cleaned up. And the orchestrator's own deletion takes the stack away as
// its last act: nothing else is left then, and to wait for that deletion would be to wait for oneself.
//
// The first invocation counts from the beginning of the stack's deletion, not from its own: Lambda repeats
// one that broke, with the same event and some minutes later.
func (h *Hook) remove(ctx context.Context, r request, what removal) error {
	if r.Handover.Execution == "" {
		var by stack.Deletion
		err := patiently(ctx, func() (err error) {
			by, r.Handover.Since, err = h.options.Stacks.DeletedBy(ctx, r.StackID)
			return err
		})
		if err != nil || by != stack.ForeignDeletion {
			return err
		}
		if since := time.Since(r.Handover.Since); since < 0 || since > hour {
			// An event of an earlier deletion: CloudFormation has given that one up.
			r.Handover.Since = time.Now().UTC()
		}
	}
	last := r.Handover.Since.Add(Patience)
	end := h.end(ctx, last)
	var orchestrator Executions
	err := patiently(ctx, func() (err error) {
		orchestrator, err = h.options.Orchestrator(ctx, what.StarterRoleARN, what.StateMachineARN)
		return err
	})
	if err != nil {
		return h.unreachable(ctx, what, err)
	}
	d := &deletion{orchestrator: orchestrator, what: what, stackID: r.StackID, execution: r.Handover.Execution}
	for range joins {
		ended, err := d.until(ctx, end)
		if err != nil {
			return h.unreachable(ctx, what, err)
		}
		if ended == nil {
			return h.handOver(ctx, r, d.execution, last)
		}
		if ended.Status == types.ExecutionStatusSucceeded {
			return nil
		}
		again, err := d.behind(ctx, ended)
		if err != nil {
			return err
		}
		if !again {
			return h.failed(ctx, what, ended)
		}
	}
	return fault.New(fault.Conflict, "other executions keep taking environment %s", what.names.Environment).WithNext("delete the stack again")
}

// end is when this invocation hands over, or answers at last.
func (h *Hook) end(ctx context.Context, last time.Time) time.Time {
	end := time.Now().Add(h.options.Window)
	if last.Before(end) {
		end = last
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-spare).Before(end) {
		end = deadline.Add(-spare)
	}
	return end
}

// handOver has the next invocation wait, or says that the deletion goes on: after so many of them, and
// when the last moment is too near for another look.
func (h *Hook) handOver(ctx context.Context, r request, execution string, last time.Time) error {
	r.Handover.Invocation = max(1, r.Handover.Invocation)
	if r.Handover.Invocation >= Invocations || time.Until(last) <= later {
		return stillDeleting(execution)
	}
	r.Handover = handover{Invocation: r.Handover.Invocation + 1, Execution: execution, Since: r.Handover.Since}
	payload, err := json.Marshal(r)
	if err != nil {
		return fault.New(fault.Internal, "the hand-over cannot be written").WithNext(nextAsk)
	}
	_, err = h.options.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &h.options.Function, InvocationType: lambdatypes.InvocationTypeEvent, Payload: payload})
	if err != nil {
		h.options.Log.ErrorContext(ctx, "hand-over failed", "request", r.Event, "error", err.Error())
		return stillDeleting(execution)
	}
	return customresource.ErrDeferred
}

// deletion is the orchestrator's, as one invocation sees it.
type deletion struct {
	orchestrator Executions
	what         removal
	stackID      string
	// execution is the one that is waited for, empty before it is started.
	execution string
}

// until waits for the deletion, which it starts if need be. It returns nil if it has not ended by then.
func (d *deletion) until(ctx context.Context, end time.Time) (*sfn.DescribeExecutionOutput, error) {
	if d.execution == "" {
		if err := patiently(ctx, func() error { return d.start(ctx) }); err != nil {
			return nil, err
		}
	}
	for look := 0; ; look++ {
		seen, err := d.describe(ctx, d.execution)
		switch code := fault.CodeOf(err); {
		case err != nil && !code.Retried():
			return nil, err
		case err == nil && !running(seen):
			return seen, nil
		}
		pause := soon
		if look >= often {
			pause = later
		}
		if time.Now().Add(pause).After(end) || timer.Wait(ctx, pause) != nil {
			return nil, nil //nolint:nilnil // that it has not ended is no error
		}
	}
}

// start starts a deletion, or joins the one of this stack that runs. Its name says which stack it is of
// and how many there were before, so that repeating a request, and the requests of a second deletion of
// the stack, find it (aws-traps.md, rows 2.3 and 2.9).
func (d *deletion) start(ctx context.Context) error {
	input, err := json.Marshal(d.what.request)
	if err != nil {
		return fault.New(fault.Internal, "the request cannot be written").WithNext(nextAsk)
	}
	for n := 1; n <= attempts; n++ {
		name := fmt.Sprintf("delete-%s-%s-%d", d.what.names.Environment, digest(d.stackID), n)
		out, err := d.orchestrator.StartExecution(ctx, &sfn.StartExecutionInput{
			StateMachineArn: &d.what.StateMachineARN, Name: &name, Input: aws.String(string(input)),
		})
		if err == nil {
			d.execution = aws.ToString(out.ExecutionArn)
			return nil
		}
		var exists *types.ExecutionAlreadyExists
		if !errors.As(err, &exists) {
			return account.Classify(err, "start an execution of %s", d.what.StateMachineARN)
		}
		// Step Functions keeps a name for 90 days, and gives an execution that runs back only to a request
		// that is the same to the letter.
		arn := strings.Replace(d.what.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":" + name
		switch seen, err := d.describe(ctx, arn); {
		case err != nil:
			return err
		case running(seen):
			d.execution = arn
			return nil
		}
	}
	return fault.New(fault.Failed, "%d deletions of environment %s have been tried", attempts, d.what.names.Environment).WithNext(nextAsk)
}

// behind looks whether the deletion failed because another execution has the environment. A deletion
// like itself is waited for instead, and one that has ended meanwhile is followed by another of its own.
func (d *deletion) behind(ctx context.Context, ended *sfn.DescribeExecutionOutput) (again bool, err error) {
	holder := causeOf(ended).Holder
	if holder == "" {
		return false, nil
	}
	seen, err := d.describe(ctx, holder)
	if err != nil {
		return false, err
	}
	if !running(seen) {
		d.execution = ""
		return true, nil
	}
	if !deletes(seen, d.what) {
		return false, nil
	}
	d.execution = holder
	return true, nil
}

func (d *deletion) describe(ctx context.Context, arn string) (*sfn.DescribeExecutionOutput, error) {
	out, err := d.orchestrator.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return nil, account.Classify(err, "describe execution %s", arn)
	}
	return out, nil
}

// patiently makes a call again whose error time cures.
func patiently(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == patience || !fault.CodeOf(err).Retried() || timer.Wait(ctx, soon) != nil {
			return err
		}
	}
}

// digest is a short name for a stack's id.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
