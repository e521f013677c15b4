package record

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// The names of the event that tells of an execution's end: a contract with whoever waits for it.
const (
	EventSource = "harmonix.environment.provider"
	EventType   = "EKS Environment Ended"
)

// The statuses with which an execution ends.
const (
	succeeded = "SUCCEEDED"
	failed    = "FAILED"
)

// Ended is the event's detail.
type Ended struct {
	// The status in it is the execution's: SUCCEEDED, FAILED, ABORTED or TIMED_OUT.
	environment.Ending
	// Execution is the ARN.
	Execution  string `json:"execution"`
	ConsoleURL string `json:"consoleUrl"`
	// Result is the result document of an execution that succeeded.
	Result any `json:"result,omitempty"`
	// Failure is the failure record of one that did not.
	Failure *Document `json:"failure,omitempty"`
}

// maxDetail bounds an event: EventBridge takes 256 KB, names included. A result is longer than that
// only with thousands of nodes; the execution's output has it.
const maxDetail = 240_000

type eventAPI interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, opts ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Bus is the event bus that requests come from, and that is told how they ended.
type Bus struct {
	api  eventAPI
	name string
	log  *slog.Logger
}

// NewBus returns the bus of that name. What cannot be sent is written to log.
func NewBus(api eventAPI, name string, log *slog.Logger) *Bus {
	return &Bus{api: api, name: name, log: log}
}

// tell sends the event of an ended execution. It is sent at least once: a stage that is called again
// sends it again. Only an error that time cures is returned: an environment is not made worse by an
// event that nobody may send.
func (b *Bus) tell(ctx context.Context, s environment.State, status string, result any, failure *Document) error {
	detail := Ended{
		Ending:    s.Ending(status),
		Execution: s.Execution.ARN, ConsoleURL: s.Execution.ConsoleURL(),
		Result: result, Failure: failure,
	}
	text, err := json.Marshal(detail)
	if err == nil && len(text) > maxDetail {
		detail.Result = nil
		text, err = json.Marshal(detail)
	}
	if err != nil {
		return fault.Wrap(fault.Internal, err, "cannot encode the event of the execution's end")
	}
	if err := b.put(ctx, string(text)); err != nil {
		if fault.CodeOf(err).Retried() {
			return err
		}
		b.log.ErrorContext(ctx, "the end of the execution could not be told", "error", err, "execution", s.Execution.ARN)
	}
	return nil
}

func (b *Bus) put(ctx context.Context, detail string) error {
	out, err := b.api.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &b.name, Source: aws.String(EventSource), DetailType: aws.String(EventType), Detail: &detail,
	}}})
	if err != nil {
		return account.Classify(err, "send an event to the bus %s", b.name)
	}
	// A call with entries that failed succeeds all the same.
	for _, e := range out.Entries {
		if code := aws.ToString(e.ErrorCode); code != "" {
			return fault.New(awsfault.CodeNamed(code), "cannot send an event to the bus %s: %s: %s", b.name, code, aws.ToString(e.ErrorMessage))
		}
	}
	return nil
}
