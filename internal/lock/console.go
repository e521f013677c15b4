package lock

import (
	"fmt"
	"strings"
)

// ConsoleURL is the page of an execution in the Step Functions console.
func ConsoleURL(executionARN string) string {
	region := "us-east-1"
	if part := strings.Split(executionARN, ":"); len(part) > 3 {
		region = part[3]
	}
	return fmt.Sprintf("https://%[1]s.console.aws.amazon.com/states/home?region=%[1]s#/v2/executions/details/%[2]s", region, executionARN)
}
