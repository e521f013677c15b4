package record

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// FailureInput is the state document with what a Catch added to it.
type FailureInput struct {
	State failedState `json:"state"`
	// Entered is when the state was entered first; it stays the same over retries.
	Entered time.Time `json:"entered"`
	// Detail is set when a rule on the execution's status, not a Catch, called: the execution was
	// aborted, timed out, or failed on its way here, and runs no further state.
	Detail *statusChange `json:"detail"`
}

type failedState struct {
	environment.State
	// Input stands in for Request until preflight has read it.
	Input   json.RawMessage `json:"input"`
	Failure *caught         `json:"failure"`
	// Branches are the outputs of a Parallel state's branches, some of which failed. Their sections are
	// in State.
	Branches []struct {
		Failure *caught `json:"failure"`
	} `json:"branches"`
}

// UnmarshalJSON joins the sections that branches have made with those from before: no state has done
// that where a branch failed.
func (s *failedState) UnmarshalJSON(text []byte) error {
	type document failedState
	if err := json.Unmarshal(text, (*document)(s)); err != nil {
		return err
	}
	var made struct {
		Branches []json.RawMessage `json:"branches"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	for _, sections := range made.Branches {
		if err := json.Unmarshal(sections, &s.State); err != nil {
			return err
		}
	}
	return nil
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

// late reports whether stacks have had the time to come to rest. A definition from before there was an
// Entered waits for as long as its attempts last.
func (in FailureInput) late() bool {
	return !in.Entered.IsZero() && time.Since(in.Entered) >= restPatience
}

// read returns the state document and the causes of the failure: at least one, unless a removal that
// follows a failure has come to its end.
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
	if len(causes) == 0 && s.Execution.Failure == nil {
		causes = []stage.Cause{{Stage: s.Unfinished(), Code: fault.Internal, Message: "the execution failed without an error"}}
	}
	if s.Names.Environment == "" {
		// Preflight has refused it. If it can be read, it is known which environment it is about.
		s.Request, s.Names = asked(in.State.Input)
	}
	return s, causes
}

// asked is the request in an execution's input; nothing if it is none.
func asked(input []byte) (environment.Request, environment.Names) {
	r, err := environment.Parse(input)
	if err != nil {
		return environment.Request{}, environment.Names{}
	}
	return r.WithDefaults(), environment.NamesOf(r)
}

// read makes a state document of an execution that was ended from outside. Its request counts only
// if it is valid: without it there is nothing to release.
func (d statusChange) read() (environment.State, []stage.Cause) {
	s := environment.State{Execution: environment.Execution{ARN: d.ExecutionARN, StartTime: time.UnixMilli(d.StartDate).UTC()}}
	s.Request, s.Names = asked([]byte(d.Input))
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
