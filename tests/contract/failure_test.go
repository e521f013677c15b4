package contract_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/record"
)

const failureDocument described = "failure"

// TestFailureExample holds the documented failure record against the schema and the code that writes it.
func TestFailureExample(t *testing.T) {
	exampleIs[record.Document](t, failureDocument)
}

// The schema's codes are those that there are.
func TestFailureCodes(t *testing.T) {
	var schema any
	if err := json.Unmarshal(read(t, "statemachine/"+failureDocument.schema()), &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(codes, list(at(schema, "definitions", "code", "enum"))); diff != "" {
		t.Errorf("codes (-design +schema):\n%s", diff)
	}
}

// unreachable is an account that cannot be looked at.
type unreachable struct{}

func (unreachable) Connect(context.Context, account.Target) (aws.Config, error) {
	return aws.Config{}, fault.New(fault.AccessDenied, "cannot assume the role")
}

func nothing(context.Context, aws.Config, environment.Names) ([]string, error) { return nil, nil }

// TestFailureOfAnExecution holds what the RecordFailure stage makes against the schema.
func TestFailureOfAnExecution(t *testing.T) {
	cases := map[string]struct{ reason, input string }{
		"Unreadable":  {"nothing is known of the environment", `{"state": {"input": 1, "failure": {"Error": "InvalidRequest", "Cause": "no object"}}}`},
		"Unreachable": {"the account could not be looked at", `{"state": {"names": {"environment": "opa-dev"}, "lock": {}, "failure": {"Error": "Lambda.Unknown", "Cause": ""}}}`},
		"Branches":    {"several causes", `{"state": {"branches": [{"failure": {"stage": "Network", "Error": "E", "Cause": "c"}}, {"failure": {"stage": "Identity", "Error": "E", "Cause": "c"}}]}}`},
		"Held":        {"another execution has the environment", `{"state": {"names": {"environment": "opa-dev"}, "failure": {"Error": "Conflict", "Cause": "{\"errorMessage\": \"{\\\"stage\\\": \\\"Lock\\\", \\\"code\\\": \\\"Conflict\\\", \\\"message\\\": \\\"m\\\", \\\"holder\\\": \\\"arn:aws:states:us-east-1:111111111111:execution:m:e\\\"}\"}"}}}`},
		"Undone": {"a removal has followed", `{"state": {"execution": {"failure": {"Error": "Failed", "Cause": "{\"stage\": \"Access\", \"code\": \"Failed\", \"message\": \"m\"}"}},
			"names": {"environment": "opa-dev"}, "deleteNetwork": {"removed": ["stack s"], "kept": [{"what": "k", "why": "w"}], "orphaned": [{"what": "o", "why": "w"}]}}}`},
		"UndoFailed": {"a removal has failed", `{"state": {"execution": {"failure": {"Error": "Failed", "Cause": "no JSON"}}, "names": {"environment": "opa-dev"}, "failure": {"Error": "E", "Cause": "c"}}}`},
		"NotUndone":  {"nothing was to be removed", `{"state": {"request": {"operation": "apply", "onFailure": "delete"}, "names": {"environment": "opa-dev"}, "failure": {"Error": "E", "Cause": "c"}}}`},
		"Aborted":    {"no stage is known", `{"detail": {"executionArn": "arn:aws:states:us-east-1:111111111111:execution:m:e", "status": "ABORTED", "input": "{}"}}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var in record.FailureInput
			if err := json.Unmarshal([]byte(tc.input), &in); err != nil {
				t.Fatal(err)
			}
			recorder := record.NewFailure(unreachable{}, nothing, record.NewHistory(forgetful{}, "table"), forgetful{}, deaf())
			outcome, err := recorder.Run(t.Context(), in)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			failureDocument.takes(t, tc.reason, []byte(outcome.Cause))
		})
	}
}
