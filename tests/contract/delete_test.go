package contract_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const deleteDocument described = "delete"

// removed is the state document of a removal in which every stage is done, with something to say of
// each kind if there was anything.
func removed(change environment.Change, r environment.Removal) stage.Input {
	in := finished(environment.NodeTypeManaged)
	s := &in.State
	s.Request.Operation = environment.OperationDelete
	r.Change = change
	s.Survey = &environment.Survey{Progress: environment.Progress{Change: environment.Unchanged}, Leftovers: []string{"log group g"}}
	s.Drain = &environment.Drain{Removal: r, Reached: true}
	of := reflect.ValueOf(s).Elem()
	for i := range of.NumField() {
		if of.Field(i).Type() == reflect.TypeFor[*environment.Removal]() {
			section := r
			of.Field(i).Set(reflect.ValueOf(&section))
		}
	}
	return in
}

// TestDeleteExample holds the documented result of a removal against the schema and the code that
// writes it.
func TestDeleteExample(t *testing.T) {
	exampleIs[record.DeleteResult](t, deleteDocument)
	var got record.DeleteResult
	if err := json.Unmarshal(deleteDocument.example(t), &got); err != nil {
		t.Fatal(err)
	}
	all := removed(environment.Deleted, environment.Removal{}).State.Removals()
	if len(got.Stages) != len(all) {
		t.Fatalf("it has %d stages, a removal %d", len(got.Stages), len(all))
	}
	for i, stage := range all {
		if got.Stages[i].Stage != stage.Name {
			t.Errorf("stage %d is %s, want %s", i, got.Stages[i].Stage, stage.Name)
		}
	}
}

// TestDeleteResultOfAnExecution holds what the CompleteDelete stage makes against the schema.
func TestDeleteResultOfAnExecution(t *testing.T) {
	cases := map[string]struct {
		reason string
		input  stage.Input
	}{
		"Nothing": {"there was nothing to remove", removed(environment.Unchanged, environment.Removal{})},
		"Everything": {"something of each kind", removed(environment.Deleted, environment.Removal{
			Removed:  []string{"stack s"},
			Kept:     []environment.Leftover{{What: "KMS key k", Why: "KMS deletes no key at once"}},
			Orphaned: []environment.Leftover{{What: "security group g", Why: "DependencyViolation"}},
		})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			complete := record.NewCompleteDelete(record.NewHistory(forgetful{}, "table"), forgetful{}, deaf())
			result, err := complete.Run(t.Context(), tc.input)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			deleteDocument.takesJSON(t, tc.reason, result)
		})
	}
}

// TestDeleteResultRefused shows that the schema refuses what is not the result of a removal.
func TestDeleteResultRefused(t *testing.T) {
	deleteDocument.refuses(t, map[string]forgery{
		"Status":    {"a failure has no result", `"status": "SUCCEEDED"`, `"status": "FAILED"`},
		"Operation": {"an apply has another result", `"operation": "delete"`, `"operation": "apply"`},
		"Why":       {"what stays has a reason", `"why": "the reclaim`, `"because": "the reclaim`},
		"Unknown":   {"a field that nobody described", `"changed": true`, `"changed": true, "more": 1`},
	})
}
