package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// FailureInput is the state document with what a Catch added to it.
type FailureInput struct {
	State failedState `json:"state"`
	// Detail is set when a rule on the execution's status, not a Catch, called: the execution was
	// aborted, timed out, or failed on its way here, and runs no further state.
	Detail *statusChange `json:"detail"`
}

type failedState struct {
	environment.State
	// Input stands in for Request until preflight has read it.
	Input   json.RawMessage `json:"input"`
	Failure *caught         `json:"failure"`
	// Branches are the outputs of a Parallel state's branches, some of which failed.
	Branches []struct {
		Failure *caught `json:"failure"`
	} `json:"branches"`
}

// caught is the error output of a Catch. Branches add the name of their stage.
type caught struct {
	Stage string `json:"stage"`
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// statusChange is the detail of EventBridge's "Step Functions Execution Status Change".
type statusChange struct {
	ExecutionARN string `json:"executionArn"`
	Status       string `json:"status"`
	// StartDate is in milliseconds since 1970.
	StartDate int64  `json:"startDate"`
	Input     string `json:"input"`
	// Error and Cause are those of an execution that failed; they are cut at a few hundred characters.
	Error string `json:"error"`
	Cause string `json:"cause"`
}

// LogAttrs names the environment and the execution in every log line.
func (in FailureInput) LogAttrs() []any {
	return []any{"environment", in.State.Names.Environment, "execution", in.State.Execution.ARN}
}

// Outcome is what the Fail state shows. Its field names are the Fail state's own.
type Outcome struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

type connector interface {
	Connect(ctx context.Context, target account.Target) (aws.Config, error)
}

// Failure is the RecordFailure stage.
type Failure struct {
	connector connector
	history   *History
	locks     releaser
}

// NewFailure returns the stage.
func NewFailure(c connector, h *History, l releaser) *Failure {
	return &Failure{connector: c, history: h, locks: l}
}

// Document is the failure record: what went wrong, what exists now and how to go on.
type Document struct {
	stage.Cause
	// Others are the causes of further branches that failed at the same time.
	Others []stage.Cause `json:"others,omitempty"`
	// Exists lists the environment's stacks with their status; empty means nothing was made.
	Exists []string `json:"exists,omitempty"`
}

// Run waits until no stack of the environment moves any more, records the failure and gives the
// lock back. A lock released over a moving stack would let the next execution run into it.
//
// For an execution that is over already nobody could wait: Lambda calls an asynchronous function
// three times only. The stacks that still move are named, and the next execution joins them.
func (f *Failure) Run(ctx context.Context, in FailureInput) (*Outcome, error) {
	s, causes := in.read()
	document := Document{Cause: causes[0], Others: causes[1:]}
	if document.Next == "" {
		document.Next = "correct the cause and start the same request again: it goes on from where this one stopped"
		if s.Request.Plans() {
			document.Next = "nothing was changed; correct the cause and start the same request again"
		}
	}
	// Without names preflight had refused the request: nothing was made, and nothing locked.
	if s.Names.Environment != "" {
		var err error
		// An execution that was not given the lock moved nothing: what moves is the holder's, and
		// waiting for it would keep the answer back for as long.
		wait := s.Lock != nil && in.Detail == nil && !s.Request.Plans()
		if document.Exists, err = f.stacks(ctx, s, wait); err != nil {
			return nil, err
		}
		if err := f.end(ctx, s, in.Detail, document); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot encode the failure record")
	}
	return &Outcome{Error: string(document.Code), Cause: string(text)}, nil
}

// end writes the history and gives the lock back. A plan has changed nothing and holds no lock, so it
// is no part of the environment's history.
func (f *Failure) end(ctx context.Context, s environment.State, detail *statusChange, document Document) error {
	if s.Request.Plans() {
		return nil
	}
	record := f.history.Append
	if detail != nil {
		// The execution may have recorded its failure itself, and knew more about it.
		record = f.history.AppendNew
	}
	if err := record(ctx, s, "FAILED", document); err != nil {
		return err
	}
	return f.locks.Release(ctx, s.Request, s.Execution.ARN)
}

// stacks lists the environment's stacks and answers [fault.InProgress] while one moves, if it has to
// wait. An account that can no longer be reached has nothing to say; the record is written all the
// same.
func (f *Failure) stacks(ctx context.Context, s environment.State, wait bool) ([]string, error) {
	cfg, err := f.connector.Connect(ctx, account.TargetOf(s.Request))
	if errors.Is(err, &fault.Error{Code: fault.AccessDenied}) {
		return []string{"unknown: " + err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	engine := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{})
	var exists []string
	for _, name := range s.Names.Stacks() {
		found, ok, err := engine.Describe(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		// The deletion of the provider stack may itself be waiting for this execution.
		waits := name == s.Names.ProviderStack && found.Status == types.StackStatusDeleteInProgress
		if wait && found.Moving() && !waits {
			return nil, fault.New(fault.InProgress, "stack %s is still in %s", name, found.Status)
		}
		line := fmt.Sprintf("%s %s", name, found.Status)
		if found.Moving() {
			line += ", still moving"
		}
		exists = append(exists, line)
	}
	return exists, nil
}

// read returns the state document and the causes of the failure, at least one.
func (in FailureInput) read() (environment.State, []stage.Cause) {
	s := in.State.State
	if in.Detail != nil {
		return in.Detail.read()
	}
	var causes []stage.Cause
	if in.State.Failure != nil {
		causes = append(causes, in.State.Failure.cause(s.Unfinished()))
	}
	for _, b := range in.State.Branches {
		if b.Failure != nil {
			causes = append(causes, b.Failure.cause(s.Unfinished()))
		}
	}
	if len(causes) == 0 {
		causes = []stage.Cause{{Stage: s.Unfinished(), Code: fault.Internal, Message: "the execution failed without an error"}}
	}
	return s, causes
}

// read makes a state document of an execution that was ended from outside. Its request counts only
// if it is valid: without it there is nothing to release.
func (d statusChange) read() (environment.State, []stage.Cause) {
	s := environment.State{Execution: environment.Execution{ARN: d.ExecutionARN, StartTime: time.UnixMilli(d.StartDate).UTC()}}
	if r, err := environment.Parse([]byte(d.Input)); err == nil {
		s.Request, s.Names = r.WithDefaults(), environment.NamesOf(r)
	}
	switch d.Status {
	case "ABORTED":
		return s, []stage.Cause{{Code: fault.Failed, Message: "the execution was stopped by a user"}}
	case "TIMED_OUT":
		return s, []stage.Cause{{Code: fault.Failed, Message: "the execution ran longer than the state machine allows"}}
	}
	return s, []stage.Cause{caught{Error: d.Error, Cause: d.Cause}.cause("")}
}

// cause reads the stage's own cause out of what Lambda and Step Functions wrapped around it. What
// did not come from a stage is Lambda's or Step Functions' own error: a timeout, a lack of
// memory, a path that is missing.
func (c caught) cause(unfinished string) stage.Cause {
	var lambdaError struct {
		Message string `json:"errorMessage"`
	}
	var cause stage.Cause
	if json.Unmarshal([]byte(c.Cause), &lambdaError) == nil && json.Unmarshal([]byte(lambdaError.Message), &cause) == nil && cause.Code != "" {
		if cause.Code == fault.InProgress {
			cause.Next = "look at what is named here: it takes longer than this stage waits. Start the same request again to go on waiting"
		}
		return cause
	}
	name := c.Stage
	if name == "" {
		name = unfinished
	}
	message := lambdaError.Message
	if message == "" {
		message = c.Cause
	}
	return stage.CauseOf(name, fault.New(fault.Internal, "%s", strings.TrimSpace(c.Error+": "+message)))
}
