package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

const (
	// reserve is kept of an invocation's time, so that an error is answered before Lambda ends it.
	reserve = 3 * time.Second
	// frameworkReserve is kept besides for the CDK's provider framework: its own time, as long as ours,
	// began earlier, and when that is over first nobody answers CloudFormation.
	frameworkReserve = 10 * time.Second
	// defaultDeletePatience bounds the wait for deleted objects to be gone.
	defaultDeletePatience = 5 * time.Minute
)

// Connector connects to a cluster as a role, or as the function's own role when role is empty.
type Connector interface {
	Connect(ctx context.Context, cluster, role string) (*kube.Client, error)
}

// Options are what a [Handler] is made of.
type Options struct {
	Connector Connector
	// Roles are the roles that a caller may name.
	Roles Roles
	Log   *slog.Logger
	// Commands runs kubectl for operators.
	Commands Commands
	// Charts reads Helm charts.
	Charts Charts
	// Files reads manifests in S3.
	Files Files
	// HTTP answers CloudFormation; a usual client when nil.
	HTTP *http.Client
	// ChartPatience bounds the repetitions of a chart's installation after errors that time cures;
	// package helm's when zero.
	ChartPatience time.Duration
	// DeletePatience bounds the wait for deleted objects to be gone when no stack asks; 5 min when zero.
	DeletePatience time.Duration
	// Patience is that with the cluster in a request of CloudFormation's, which nobody repeats. What
	// of it is zero is 3 min, and 1 min for a principal that the cluster does not know yet.
	Patience kube.Patience
	// DescribePause is between two looks at a cluster that is being created; 10 s when zero.
	DescribePause time.Duration
}

// Handler carries out requests.
type Handler struct {
	options    Options
	operations map[string]operation
	responder  *customresource.Responder
}

// operation carries out the requests for one resource type.
type operation func(ctx context.Context, event Event) (Outcome, error)

// New returns a handler.
func New(options Options) *Handler {
	if options.DeletePatience == 0 {
		options.DeletePatience = defaultDeletePatience
	}
	if options.DescribePause == 0 {
		options.DescribePause = describePause
	}
	if options.Patience.Transient == 0 {
		options.Patience.Transient = stackPatience
	}
	if options.Patience.Unauthorized == 0 {
		options.Patience.Unauthorized = entryPatience
	}
	h := &Handler{options: options, responder: customresource.New(customresource.Options{
		HTTP:     options.HTTP,
		Log:      options.Log,
		TooLarge: "Ask for less by ObjectName, ObjectLabels or JsonPath.",
	})}
	h.operations = map[string]operation{
		protocol.Resource: h.resource,
		protocol.Patch:    h.patch,
		protocol.Value:    h.value,
		protocol.Chart:    h.chart,
	}
	return h
}

// Invoke is the Lambda handler. Who asked decides who is answered: CloudFormation itself, when it
// invoked this function directly, and the caller otherwise. That caller may be the CDK's provider
// framework, which passes CloudFormation's request on and answers it with what it is answered.
func (h *Handler) Invoke(ctx context.Context, payload json.RawMessage) (answer json.RawMessage, err error) {
	defer func() {
		// A panic would take the sandbox with it, and all its connections (aws-traps.md, row 4.10).
		if p := recover(); p != nil {
			// Its value may quote what was asked for.
			h.options.Log.ErrorContext(ctx, "handler panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			answer, err = nil, lambdaError(fault.New(fault.Internal, "the kubectl function broke").WithNext("Its log has the place."))
		}
	}()
	if request, ok := commandOf(payload); ok {
		return h.command(ctx, request)
	}
	request, err := customresource.Parse(payload)
	if err != nil {
		return nil, lambdaError(err)
	}
	if request.AnsweredBy(invokedAs(ctx)) {
		if err := h.responder.Serve(ctx, request, h.serve); err != nil {
			return nil, lambdaError(err)
		}
		return json.RawMessage("null"), nil
	}
	event, err := decode(request)
	if err != nil {
		return nil, lambdaError(err)
	}
	detailed, err := event.Properties.Flag(protocol.ErrorDetails)
	if err != nil {
		return nil, lambdaError(err)
	}
	asError := lambdaError
	if detailed {
		asError = detailedError
	}
	if deadline, ok := ctx.Deadline(); ok && event.ofStack() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-frameworkReserve))
		defer cancel()
	}
	outcome, err := h.Handle(ctx, event)
	if err != nil {
		return nil, asError(err)
	}
	if answer, err = encode(outcome); err != nil {
		return nil, asError(err)
	}
	return answer, nil
}

// invokedAs is the ARN that the function was invoked by, empty outside of Lambda.
func invokedAs(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.InvokedFunctionArn
	}
	return ""
}

// serve carries out a request that CloudFormation is answered about by us. The answer names no
// physical id: whatever changes, the resource is the same one. With another id CloudFormation would
// have the former resource deleted, and with it the objects that both have.
func (h *Handler) serve(ctx context.Context, request customresource.Event) (customresource.Answer, error) {
	event, err := decode(request)
	if err != nil {
		return customresource.Answer{}, err
	}
	outcome, err := h.Handle(ctx, event)
	if len(outcome.Objects) > 0 {
		// A report of changes could be too large for CloudFormation, which has no use for it.
		outcome.Data = nil
	}
	return customresource.Answer{Data: outcome.Data, NoEcho: outcome.NoEcho}, err
}

// Handle carries out one request. Its errors are classified by package fault.
func (h *Handler) Handle(ctx context.Context, event Event) (Outcome, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	start := time.Now()
	outcome, err := h.dispatch(ctx, event)
	h.record(ctx, event, outcome, err, time.Since(start))
	return outcome, err
}

// dispatch finds the operation and makes it, again when the connection proved out of date.
func (h *Handler) dispatch(ctx context.Context, event Event) (Outcome, error) {
	operation, ok := h.operations[event.ResourceType]
	if !ok {
		return Outcome{}, fault.New(fault.InvalidRequest, "unknown resource type %s", event.ResourceType)
	}
	switch event.RequestType {
	case Create, Update, Delete:
	case Plan:
		operation = h.plan
	default:
		return Outcome{}, fault.New(fault.InvalidRequest, "invalid request type %s", event.RequestType)
	}
	outcome, err := operation(ctx, event)
	if errors.Is(err, kube.ErrStale) {
		outcome, err = operation(ctx, event)
	}
	return outcome, err
}

// record logs the end of a request: what it was about and what it came to, never its content.
// Messages of the API server can quote a manifest's values, so an error is logged by its code.
func (h *Handler) record(ctx context.Context, event Event, outcome Outcome, err error, took time.Duration) {
	counts := map[kube.Change]int{}
	failed := 0
	for _, result := range outcome.Objects {
		if result.Err != nil {
			failed++
			continue
		}
		counts[result.Change]++
	}
	attributes := []slog.Attr{
		slog.String("resourceType", event.ResourceType),
		slog.String("requestType", string(event.RequestType)),
		slog.String("cluster", event.Properties.Text("ClusterName")),
		slog.Int64("durationMs", took.Milliseconds()),
	}
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		attributes = append(attributes, slog.String("requestId", invocation.AwsRequestID))
	}
	if len(outcome.Objects) > 0 {
		attributes = append(attributes,
			slog.Int("objects", len(outcome.Objects)),
			slog.Int("created", counts[kube.Created]),
			slog.Int("updated", counts[kube.Updated]),
			slog.Int("unchanged", counts[kube.Unchanged]),
			slog.Int("deleted", counts[kube.Deleted]),
			slog.Int("failed", failed),
		)
	}
	level, message := slog.LevelInfo, "request done"
	if err != nil {
		level, message = slog.LevelError, "request failed"
		attributes = append(attributes, slog.String("code", string(fault.CodeOf(err))))
	}
	h.options.Log.LogAttrs(ctx, level, message, attributes...)
}
