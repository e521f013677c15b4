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
}

// ConsoleURL is the execution's page in the Step Functions console.
func (e Execution) ConsoleURL() string {
	region := "us-east-1"
	if part := strings.Split(e.ARN, ":"); len(part) > 3 {
		region = part[3]
	}
	return fmt.Sprintf("https://%[1]s.console.aws.amazon.com/states/home?region=%[1]s#/v2/executions/details/%[2]s", region, e.ARN)
}
