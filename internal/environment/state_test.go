package environment_test

import (
	"reflect"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// What names no stage itself, such as an error of Lambda's, is told of with the stage that was at work: the
// states' names are the definition's.
func TestUnfinished(t *testing.T) {
	names := environment.Names{Environment: "opa-dev"}
	finished := func(operation string) environment.State {
		s := environment.State{Names: names, Request: environment.Request{Operation: operation}}
		for _, field := range reflect.ValueOf(&s).Elem().Fields() {
			if field.Kind() == reflect.Pointer {
				field.Set(reflect.New(field.Type().Elem()))
			}
		}
		if operation != environment.OperationDelete {
			s.Survey = nil
		}
		return s
	}
	withoutVerify := finished(environment.OperationApply)
	withoutVerify.Verification = nil
	withoutDrain := finished(environment.OperationDelete)
	withoutDrain.Drain = nil
	undoing := finished(environment.OperationApply)
	undoing.Survey, undoing.DeleteNetwork = &environment.Survey{}, nil

	cases := map[string]struct {
		reason string
		state  environment.State
		want   string
	}{
		"Nothing":   {reason: "Preflight gives the environment its names", want: "Preflight"},
		"First":     {reason: "nothing but the names is there", state: environment.State{Names: names}, want: "Lock"},
		"Apply":     {reason: "one section is missing", state: withoutVerify, want: "Verify"},
		"Applied":   {reason: "the last stage has no section", state: finished(environment.OperationApply), want: "Complete"},
		"Planned":   {reason: "a plan ends in another stage", state: finished(environment.OperationPlan), want: "Plan"},
		"Delete":    {reason: "one section is missing", state: withoutDrain, want: "Drain"},
		"Deleted":   {reason: "a removal ends in another stage", state: finished(environment.OperationDelete), want: "CompleteDelete"},
		"Undoing":   {reason: "a first creation that failed is being removed", state: undoing, want: "DeleteNetwork"},
		"Surveying": {reason: "the operation says so", state: environment.State{Names: names, Request: environment.Request{Operation: environment.OperationDelete}}, want: "Lock"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.state.Unfinished(); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}
