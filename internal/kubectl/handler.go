package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

const (
	// reserve is kept of an invocation's time, so that an error is answered before Lambda ends it.
	reserve = 3 * time.Second
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
	// Charts reads Helm charts.
	Charts Charts
	// ChartPatience bounds the repetitions of a chart's installation after errors that time cures;
	// package helm's when zero.
	ChartPatience time.Duration
	// DeletePatience bounds the wait for deleted objects to be gone; 5 min when zero.
	DeletePatience time.Duration
}

// Handler carries out requests.
type Handler struct {
	options    Options
	operations map[string]operation
}

// operation carries out the requests for one resource type.
type operation func(ctx context.Context, event Event) (Outcome, error)

// New returns a handler.
func New(options Options) *Handler {
	if options.DeletePatience == 0 {
		options.DeletePatience = defaultDeletePatience
	}
	h := &Handler{options: options}
	h.operations = map[string]operation{
		protocol.Resource: h.resource,
		protocol.Patch:    h.patch,
		protocol.Value:    h.value,
		protocol.Chart:    h.chart,
	}
	return h
}

// Invoke is the Lambda handler of a synchronous invocation: a direct one, or one by the CDK's
// provider framework, which answers CloudFormation itself.
func (h *Handler) Invoke(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	event, err := decode(payload)
	if err != nil {
		return nil, lambdaError(err)
	}
	outcome, err := h.Handle(ctx, event)
	if err != nil {
		return nil, lambdaError(err)
	}
	answer, err := encode(outcome)
	if err != nil {
		return nil, lambdaError(err)
	}
	return answer, nil
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

// connect connects to the cluster that a request names, as the role that it names.
func (h *Handler) connect(ctx context.Context, properties Properties) (*kube.Client, error) {
	cluster, err := properties.Required("ClusterName")
	if err != nil {
		return nil, err
	}
	role := properties.Text("RoleArn")
	if err := h.options.Roles.Check(role); err != nil {
		return nil, err
	}
	return h.options.Connector.Connect(ctx, cluster, role)
}
