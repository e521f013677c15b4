package contract_test

import (
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/plan"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const planDocument described = "plan"

// planned is the state document of a plan in which every stage is done.
func planned(change environment.Change, p *environment.Plan) stage.Input {
	in := finished(environment.NodeTypeManaged)
	in.State.Request.Operation = "plan"
	for _, s := range in.State.Stages() {
		if s.Name != "Lock" && s.Name != "Verify" {
			s.Progress.Change, s.Progress.Plan = change, p
		}
	}
	return in
}

// TestPlanExample holds the documented plan against the schema and the code that writes it.
func TestPlanExample(t *testing.T) {
	exampleIs[plan.Result](t, planDocument)
}

// TestPlanOfAnExecution holds what the Plan stage makes against the schema.
func TestPlanOfAnExecution(t *testing.T) {
	everything := &environment.Plan{Because: []string{"why"}, Notes: []string{"note"}}
	for _, action := range []environment.Action{environment.Added, environment.Modified, environment.Replaced, environment.Removed} {
		everything.Changes = append(everything.Changes, environment.PlannedChange{Action: action, Type: "AWS::EC2::VPC", Name: "Vpc", ID: "vpc-1", Details: []string{"CidrBlock"}})
	}
	held := planned(environment.Unknown, &environment.Plan{Notes: []string{"a stack moves"}})
	held.State.Lock.HeldBy = "arn:aws:states:us-east-1:111111111111:execution:machine:other"
	cases := map[string]struct {
		reason string
		input  stage.Input
	}{
		"Unchanged": {"nothing to change", planned(environment.Unchanged, nil)},
		"Updated":   {"every kind of change", planned(environment.Updated, everything)},
		"Held":      {"somebody else is at work", held},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := plan.Run(t.Context(), tc.input)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			planDocument.takesJSON(t, tc.reason, result)
		})
	}
}

// TestPlanRefused shows that the schema refuses what is not a plan.
func TestPlanRefused(t *testing.T) {
	planDocument.refuses(t, map[string]forgery{
		"Status":  {"a plan has made nothing", `"status": "PLANNED"`, `"status": "SUCCEEDED"`},
		"Action":  {"four words only", `"action": "modified"`, `"action": "changed"`},
		"Unknown": {"a field that nobody described", `"changes": true,`, `"changes": true, "more": 1,`},
	})
}
