package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// defaultCommandSeconds is what a command is given when the request does not say: less than the minute
// after which the AWS CLI takes an answer for lost and invokes the function again.
const defaultCommandSeconds = 50

// Commands runs kubectl.
type Commands interface {
	Run(ctx context.Context, config *rest.Config, server string, c command.Command, patience time.Duration) (command.Result, error)
}

// commandOf returns the request for a kubectl command that payload is, and whether it is one: an
// object with a Command that names no resource type.
func commandOf(payload json.RawMessage) (Properties, bool) {
	var top Properties
	if json.Unmarshal(payload, &top) != nil {
		return nil, false
	}
	_, ok := top["Command"]
	return top, ok && top.Text("ResourceType") == ""
}

// command carries out a request for a kubectl command and returns its answer. It logs what was run by
// the verb alone: an argument can be a secret in the wrong place.
func (h *Handler) command(ctx context.Context, request Properties) (json.RawMessage, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	start := time.Now()
	c, result, err := h.runCommand(ctx, request)
	attributes := []slog.Attr{
		slog.String("command", c.Verb()),
		slog.String("cluster", request.Text("ClusterName")),
		slog.Int64("durationMs", time.Since(start).Milliseconds()),
	}
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		attributes = append(attributes, slog.String("requestId", invocation.AwsRequestID))
	}
	if err != nil {
		h.options.Log.LogAttrs(ctx, slog.LevelError, "command failed", append(attributes, slog.String("code", string(fault.CodeOf(err))))...)
		return nil, lambdaError(err)
	}
	h.options.Log.LogAttrs(ctx, slog.LevelInfo, "command done", append(attributes,
		slog.Int("exitCode", result.ExitCode), slog.Bool("truncated", result.Truncated), slog.String("kubectl", result.Version.Kubectl))...)
	answer, err := json.Marshal(result)
	if err != nil {
		return nil, lambdaError(fault.Wrap(fault.Internal, err, "encode the answer"))
	}
	return ascii(answer), nil
}

// runCommand reads the request and runs it, again when the connection proved out of date.
func (h *Handler) runCommand(ctx context.Context, request Properties) (command.Command, command.Result, error) {
	c, patience, err := readCommand(request)
	if err != nil {
		return c, command.Result{}, err
	}
	result, err := h.runOnce(ctx, request, c, patience)
	if errors.Is(err, kube.ErrStale) {
		result, err = h.runOnce(ctx, request, c, patience)
	}
	return c, result, err
}

func (h *Handler) runOnce(ctx context.Context, request Properties, c command.Command, patience time.Duration) (command.Result, error) {
	client, err := h.connect(ctx, request)
	if err != nil {
		return command.Result{}, atTop(err)
	}
	version, err := client.ServerVersion(ctx)
	if err != nil {
		return command.Result{}, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline))
	}
	if patience <= 0 {
		return command.Result{}, fault.New(fault.Transient, "no time is left of the invocation to run kubectl")
	}
	return h.options.Commands.Run(ctx, client.Config(), version, c, patience)
}

// readCommand reads what is to be run, and for how long.
func readCommand(request Properties) (command.Command, time.Duration, error) {
	list, ok := request["Command"].([]any)
	if !ok {
		return command.Command{}, 0, fault.New(fault.InvalidRequest, "Command is not a list of texts: it holds the arguments of kubectl, such as [\"get\", \"pods\"]").WithField("/Command")
	}
	arguments := make([]string, 0, len(list))
	for _, element := range list {
		argument, ok := element.(string)
		if !ok {
			return command.Command{}, 0, fault.New(fault.InvalidRequest, "Command has an element that is no text").WithField("/Command")
		}
		arguments = append(arguments, argument)
	}
	seconds, err := request.Seconds("TimeoutSeconds", defaultCommandSeconds)
	if err != nil {
		return command.Command{}, 0, atTop(err)
	}
	if seconds == 0 {
		return command.Command{}, 0, fault.New(fault.InvalidRequest, "TimeoutSeconds is zero, in which nothing can be run").WithField("/TimeoutSeconds")
	}
	c, err := command.Parse(arguments)
	return c, time.Duration(seconds * float64(time.Second)), err
}

// atTop corrects the field of an error about a property: those of a command stand at the top.
func atTop(err error) error {
	f := *fault.As(err)
	f.Field = strings.TrimPrefix(f.Field, "/ResourceProperties")
	return &f
}
