package deletehook

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func running(e *sfn.DescribeExecutionOutput) bool {
	return e.Status == types.ExecutionStatusRunning || e.Status == types.ExecutionStatusPendingRedrive
}

// deletes reports whether the execution removes the same environment.
func deletes(e *sfn.DescribeExecutionOutput, what removal) bool {
	var r environment.Request
	return json.Unmarshal([]byte(aws.ToString(e.Input)), &r) == nil && r.Operation == environment.OperationDelete && r.Key() == what.request.Key()
}

// causeOf is the failure record of an execution; what is no such record stays a text.
func causeOf(e *sfn.DescribeExecutionOutput) stage.Cause {
	var cause stage.Cause
	text := aws.ToString(e.Cause)
	if json.Unmarshal([]byte(text), &cause) == nil && cause.Code != "" {
		return cause
	}
	switch e.Status {
	case types.ExecutionStatusAborted:
		text = "somebody stopped it"
	case types.ExecutionStatusTimedOut:
		text = "it ran longer than the state machine allows"
	}
	return stage.Cause{Code: fault.Failed, Message: text}
}

// room is for how many bytes of a message there is, and of what to do, besides the link.
const room = 1000

// failed is the answer about a deletion that failed.
func (h *Hook) failed(ctx context.Context, what removal, ended *sfn.DescribeExecutionOutput) error {
	cause := causeOf(ended)
	// The environment role may be gone, and everything else with it.
	if cause.Stage == "Preflight" && h.gone(ctx, what) {
		return nil
	}
	if cause.Stage != "" {
		cause.Message = cause.Stage + ": " + cause.Message
	}
	link := environment.Execution{ARN: aws.ToString(ended.ExecutionArn)}.ConsoleURL()
	next := "delete the stack again: it goes on from there"
	if cause.Next != "" {
		next = cut(cause.Next) + ". That same delete is started by deleting the stack again"
	}
	return fault.New(cause.Code, "environment %s is not deleted: %s", what.names.Environment, cut(cause.Message)).WithNext("%s. Execution: %s", next, link)
}

func cut(text string) string {
	if len(text) > room {
		return strings.ToValidUTF8(text[:room], "") + " … (cut)"
	}
	return text
}

// stillDeleting is the answer in time about a deletion that takes longer than CloudFormation waits.
func stillDeleting(execution string) error {
	return fault.New(fault.InProgress, "the environment is still being deleted by execution %s", execution).
		WithNext("Delete the stack again to wait for its end: %s", environment.Execution{ARN: execution}.ConsoleURL())
}

// unreachable is the answer where the orchestrator does not hear: without an environment there is nothing
// that it could do.
func (h *Hook) unreachable(ctx context.Context, what removal, err error) error {
	if h.gone(ctx, what) {
		return nil
	}
	f := fault.As(err)
	refusal := fault.New(f.Code, "the orchestrator cannot be asked to delete environment %s: %s", what.names.Environment, cut(f.Message))
	if f.Code == fault.AccessDenied {
		return refusal.WithNext("Let the orchestrator's parameter TargetAccounts have account %s, then delete the stack again; or %s", what.request.AccountID, nextAsk)
	}
	return refusal.WithNext("Delete the stack again; or %s", nextAsk)
}

// gone reports whether no stack of the environment but the provider stack is there.
func (h *Hook) gone(ctx context.Context, what removal) bool {
	for _, name := range what.names.Stacks() {
		if name == what.names.ProviderStack {
			continue
		}
		if _, found, err := h.options.Stacks.Describe(ctx, name); err != nil || found {
			return false
		}
	}
	return true
}
