// Package stage adapts a stage to Lambda: it is the one place where a Go error becomes the error
// name that the state machine's Retry and Catch match. It must not know what any stage does.
package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/caarlos0/env/v11"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// Input is what the state machine passes to a stage.
type Input struct {
	// State is the state document as it stands when the state is entered.
	State environment.State `json:"state"`
	// Entered is when the state was entered first; it stays the same over retries.
	Entered time.Time `json:"entered"`
}

// LogAttrs names the environment and the execution in every log line.
func (i Input) LogAttrs() []any {
	return []any{"environment", i.State.Names.Environment, "execution", i.State.Execution.ARN}
}

// elapsed sets the section's seconds. Sections implement it by embedding [environment.Progress].
func (i Input) elapsed(section any) {
	if s, ok := section.(interface{ SetSeconds(time.Duration) }); ok && !i.Entered.IsZero() {
		s.SetSeconds(time.Since(i.Entered))
	}
}

// Runtime is what every function starts with.
type Runtime[Config any] struct {
	// AWS carries the function's own identity and region.
	AWS aws.Config
	// Config is read from the environment variables that Config's tags name.
	Config Config
	Log    *slog.Logger
}

// Load reads the configuration. A function that cannot read it must not start: Load then prints
// one line that says why and ends the process.
func Load[Config any]() Runtime[Config] {
	log := lambdacontext.NewLogger()
	config, err := env.ParseAsWithOptions[Config](env.Options{RequiredIfNoDef: true})
	if err == nil {
		var cfg aws.Config
		if cfg, err = awsconfig.LoadDefaultConfig(context.Background()); err == nil {
			return Runtime[Config]{AWS: cfg, Config: config, Log: log}
		}
	}
	log.Error("cannot start", "error", err)
	os.Exit(1)
	return Runtime[Config]{}
}

// margin is kept of Lambda's own deadline, so that a stage answers before it is killed.
const margin = 3 * time.Second

// Start serves run as the Lambda function of the stage called name, until the process ends.
func Start[In, Out any](name string, log *slog.Logger, run func(context.Context, In) (Out, error)) {
	lambda.Start(Handle(name, log, run))
}

// Handle returns run as a Lambda handler. Whatever run returns or does, the error that leaves the
// handler has one of the names in [fault.Codes], and its message is a [Cause] as JSON.
func Handle[In, Out any](name string, log *slog.Logger, run func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		name := name
		if named, ok := any(in).(interface{ StageName() string }); ok && named.StageName() != "" {
			name = named.StageName() // a function that serves several states
		}
		log := log.With("stage", name)
		if attrs, ok := any(in).(interface{ LogAttrs() []any }); ok {
			log = log.With(attrs.LogAttrs()...)
		}
		started := time.Now()
		defer func() {
			// A panic would take the sandbox with it and reach the user as Lambda.Unknown.
			if p := recover(); p != nil {
				log.ErrorContext(ctx, "stage panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err = response(name, fault.New(fault.Internal, "the %s stage broke: %v", name, p))
			}
		}()
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
			defer cancel()
		}
		out, err = run(ctx, in)
		took := slog.Float64("seconds", time.Since(started).Seconds())
		if err != nil {
			f := fault.As(err)
			level := slog.LevelError
			if f.Code.Retried() {
				level = slog.LevelInfo
			}
			log.Log(ctx, level, "stage ended with a fault", "code", f.Code, "fault", f.Message, "field", f.Field, took)
			return out, response(name, f)
		}
		if i, ok := any(in).(interface{ elapsed(any) }); ok {
			i.elapsed(out)
		}
		log.InfoContext(ctx, "stage ended", took)
		return out, nil
	}
}

// Cause is the error's text: what a user reads in the execution's error pane.
type Cause struct {
	Stage   string     `json:"stage"`
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Field   string     `json:"field,omitempty"`
	Next    string     `json:"next,omitempty"`
	// Holder is the ARN of the execution that has the environment, if that is what stands in the way.
	Holder string `json:"holder,omitempty"`
	// Findings are the single things that stand against a request, as far as there is room for them.
	Findings []finding.Finding `json:"findings,omitempty"`
}

// maxMessage bounds a message as it is after its way through Lambda and Step Functions, which
// escape it twice, so that a failure record with two of them stays below Step Functions' limit of
// 32,768 characters for a cause (aws-traps.md, row 3.5).
const maxMessage = 12_000

// CauseOf describes f, an error of the stage called name.
func CauseOf(name string, f *fault.Error) Cause {
	return Cause{
		Stage: name, Code: f.Code, Message: cut(f.Message), Field: f.Field, Next: f.Next, Holder: f.Holder, Findings: finding.Fitting(f.Findings),
	}
}

// cut shortens a message that is too long.
func cut(message string) string {
	if escapedTwice(message) <= maxMessage {
		return message
	}
	for escapedTwice(message) > maxMessage {
		message = strings.ToValidUTF8(message[:len(message)*9/10], "")
	}
	return message + " … (cut)"
}

// escapedTwice is the length of a text as a JSON string within a JSON string.
func escapedTwice(text string) int {
	once, _ := json.Marshal(text) // a string can always be encoded
	twice, _ := json.Marshal(string(once))
	return len(twice)
}

// response is the error as aws-lambda-go sends it: the outermost Go type's name would become the
// error's name, so the code has to be put there explicitly (design, decision 5).
func response(name string, f *fault.Error) error {
	text, err := json.Marshal(CauseOf(name, f))
	if err != nil {
		text = []byte(f.Error())
	}
	return messages.InvokeResponse_Error{Type: string(f.Code), Message: string(text)}
}
