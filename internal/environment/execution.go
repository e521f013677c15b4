package environment

import (
	"fmt"
	"strings"
	"time"
)

// Execution is the run of the state machine, from its context object.
type Execution struct {
	ARN  string `json:"arn"`
	Name string `json:"name"`
	// StartTime is when the execution was started.
	StartTime time.Time `json:"startTime"`
	// Failure is the one that the execution has come to, while what it made is removed again.
	Failure *Failure `json:"failure,omitempty"`
}

// Failure is an execution's failure as it was recorded. Its field names are those of Step Functions.
type Failure struct {
	Error string `json:"Error"`
	// Cause is the failure record, as JSON.
	Cause string `json:"Cause"`
}

// Seconds is the time from the execution's start to now, to a tenth.
func (e Execution) Seconds(now time.Time) float64 { return tenths(now.Sub(e.StartTime)) }

// ConsoleURL is the execution's page in the Step Functions console.
func (e Execution) ConsoleURL() string {
	region := "us-east-1"
	if part := strings.Split(e.ARN, ":"); len(part) > 3 {
		region = part[3]
	}
	return fmt.Sprintf("https://%[1]s.console.aws.amazon.com/states/home?region=%[1]s#/v2/executions/details/%[2]s", region, e.ARN)
}

// StateMachineARN is the state machine that the execution is one of.
func (e Execution) StateMachineARN() string {
	machine := strings.Replace(e.ARN, ":execution:", ":stateMachine:", 1)
	return machine[:max(0, strings.LastIndex(machine, ":"))]
}

// Ending is how an execution has ended, and what it was about: every document of its end begins so.
type Ending struct {
	Status string `json:"status"`
	// Operation and what follows it are absent where the request could not be read.
	Operation   string `json:"operation,omitempty"`
	Environment string `json:"environment,omitempty"`
	AccountID   string `json:"awsAccountID,omitempty"`
	Region      string `json:"awsRegion,omitempty"`
}

// Ending is that of the state's execution.
func (s State) Ending(status string) Ending {
	return Ending{
		Status: status, Operation: s.Request.Operation, Environment: s.Names.Environment, AccountID: s.Request.AccountID, Region: s.Request.Region,
	}
}
