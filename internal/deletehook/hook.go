package deletehook

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

const (
	// Invocations is how many of the function wait for one request, each for [Window]: less than the
	// hour for which CloudFormation does (aws-traps.md, row 2.1).
	Invocations = 5
	// Window is how long one invocation waits before it hands over.
	Window = 10 * time.Minute
	// Patience is how long all of them wait, whatever time lies between two: Lambda delivers a hand-over
	// late when it is busy, and repeats an invocation that broke.
	Patience = Invocations * Window
)

// Executions are those of the orchestrator's state machine.
type Executions interface {
	StartExecution(ctx context.Context, in *sfn.StartExecutionInput, opts ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, opts ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
}

// Orchestrator connects to a state machine as a role.
type Orchestrator func(ctx context.Context, roleARN, stateMachineARN string) (Executions, error)

// stacks are those of the account and region that the function runs in.
type stacks interface {
	DeletedBy(ctx context.Context, id string) (stack.Deletion, time.Time, error)
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

type invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Options are what a [Hook] is made of.
type Options struct {
	Orchestrator Orchestrator
	Stacks       stacks
	Lambda       invoker
	// Function is the function's own name.
	Function string
	// Window is how long one invocation waits before it hands over; [Window] when zero.
	Window time.Duration
	// HTTP answers CloudFormation; a usual client when nil.
	HTTP *http.Client
	Log  *slog.Logger
}

// Hook answers the custom resource's requests.
type Hook struct {
	options   Options
	responder *customresource.Responder
}

// New returns a hook.
func New(o Options) *Hook {
	if o.Window == 0 {
		o.Window = Window
	}
	return &Hook{options: o, responder: customresource.New(customresource.Options{HTTP: o.HTTP, Log: o.Log})}
}

// handover is what an invocation tells the next one.
type handover struct {
	// Invocation counts them from 1.
	Invocation int `json:"invocation"`
	// Execution is the deletion that is waited for.
	Execution string `json:"execution"`
	// Since is when the stack's deletion began, and CloudFormation's hour with it.
	Since time.Time `json:"since,omitzero"`
}

// request is CloudFormation's, or as an invocation hands it on. It has the ResponseURL, which is in no
// log and nowhere else.
type request struct {
	customresource.Event
	Handover handover `json:"handover"`
}

// Invoke is the Lambda handler.
func (h *Hook) Invoke(ctx context.Context, payload json.RawMessage) error {
	if err := h.serve(ctx, payload); err != nil {
		f := fault.As(err)
		return messages.InvokeResponse_Error{Type: string(f.Code), Message: customresource.Reason(f)}
	}
	return nil
}

func (h *Hook) serve(ctx context.Context, payload json.RawMessage) error {
	event, err := customresource.Parse(payload)
	if err != nil {
		return err
	}
	if event.ResponseURL == "" {
		return fault.New(fault.InvalidRequest, "the delete hook answers CloudFormation alone").
			WithNext("To remove an environment, delete its provider stack or start an execution with the operation delete")
	}
	var carried struct {
		Handover handover `json:"handover"`
	}
	if err := json.Unmarshal(payload, &carried); err != nil {
		return fault.New(fault.InvalidRequest, "the event's hand-over has another form")
	}
	return h.responder.Serve(ctx, event, func(ctx context.Context, event customresource.Event) (customresource.Answer, error) {
		return h.answer(ctx, request{Event: event, Handover: carried.Handover})
	})
}

// answer carries out a request. What a Create and an Update want is there already: the environment. Its
// id never changes, or CloudFormation would delete the former one (aws-traps.md, row 2.8).
func (h *Hook) answer(ctx context.Context, r request) (customresource.Answer, error) {
	what, err := read(r.Properties)
	if err != nil {
		return customresource.Answer{}, err
	}
	answer := customresource.Answer{PhysicalResourceID: what.request.Key()}
	if r.RequestType != customresource.Delete {
		return answer, nil
	}
	err = h.remove(ctx, r, what)
	h.options.Log.InfoContext(ctx, "deletion", "request", r.Event, "environment", what.names.Environment, "invocation", max(1, r.Handover.Invocation), "outcome", outcome(err))
	return answer, err
}

// outcome is a word for the log.
func outcome(err error) string {
	if err == nil {
		return "gone"
	}
	return err.Error()
}
