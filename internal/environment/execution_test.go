package environment_test

import (
	"strings"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestConsoleURL(t *testing.T) {
	const arn = "arn:aws:states:eu-west-1:111111111111:execution:m:mine"
	want := "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/" + arn
	if got := (environment.Execution{ARN: arn}).ConsoleURL(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (environment.Execution{ARN: "nonsense"}).ConsoleURL(); !strings.HasSuffix(got, "/details/nonsense") {
		t.Errorf("what is no ARN gives %s", got)
	}
}
