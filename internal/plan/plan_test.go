package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/plan"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// input is a plan in which no stage would change anything.
func input() stage.Input {
	still := environment.Progress{Change: "unchanged"}
	return stage.Input{State: environment.State{
		Execution: environment.Execution{ARN: "arn:aws:states:us-east-1:111111111111:execution:m:e"},
		Request:   environment.Request{Operation: "plan", NodeType: "FARGATE"},
		Names:     environment.Names{Environment: "opa-dev"},
		Findings:  []finding.Finding{finding.Warningf("Open", "/apiAccess", "the API is open")},
		Lock:      &environment.Lock{Progress: still},
		Bootstrap: &environment.Bootstrap{Progress: still}, Network: &environment.Network{Progress: still}, Identity: &environment.Identity{Progress: still},
		Cluster: &environment.Cluster{Progress: still}, Egress: &environment.Egress{Progress: still}, Kubectl: &environment.Kubectl{Progress: still},
		Access: &environment.Access{Progress: still}, Capacity: &environment.Capacity{Progress: still}, AddonRoles: &environment.AddonRoles{Progress: still},
		Logging: &environment.Logging{Progress: still}, ClusterDNS: &environment.ClusterDNS{Progress: still},
		LoadBalancer: &environment.LoadBalancer{Progress: still}, Verification: &environment.Verification{Progress: still},
		Provider: &environment.Provider{Progress: still},
	}}
}

func TestRun(t *testing.T) {
	change := func(action environment.Action, name string, details ...string) environment.PlannedChange {
		return environment.PlannedChange{Action: action, Type: "AWS::EC2::Route", Name: name, Details: details}
	}
	in := input()
	in.State.Network.Progress = environment.Progress{Change: "updated", Plan: &environment.Plan{
		Changes: []environment.PlannedChange{
			change("added", "A"), change("modified", "B", "Tags", "Target"), change("modified", "C", "Tags"), change("modified", "D", "Tags"),
			change("replaced", "Überlang", "Cidr"), change("removed", "F"),
		},
		Because: []string{`tag a: "1" becomes "2"`, strings.Repeat("x", 130)},
	}}
	in.State.Cluster.Progress = environment.Progress{Change: "unknown", Plan: &environment.Plan{Notes: []string{"stack C is UPDATE_IN_PROGRESS"}}}
	got, err := plan.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"STAGE          ACTION     TYPE             NAME      DETAILS",
		"Bootstrap      unchanged",
		"Network        added      AWS::EC2::Route  A",
		"               modified   AWS::EC2::Route  B         Tags, Target",
		"               replaced   AWS::EC2::Route  Überlang  Cidr",
		"               removed    AWS::EC2::Route  F",
		"               modified   2 resources                Tags",
		`               because    tag a: "1" becomes "2"`,
		"               because    " + strings.Repeat("x", 120) + " …",
		"Identity       unchanged",
		"Cluster        unknown",
		"               note       stack C is UPDATE_IN_PROGRESS",
		"Egress         unchanged", "DeployKubectl  unchanged", "Access         unchanged", "Capacity       unchanged", "AddonRoles     unchanged",
		"Logging        unchanged", "ClusterDNS     unchanged", "LoadBalancer   unchanged", "Register       unchanged",
		"1 added, 3 modified, 1 replaced, 1 removed",
	}
	if diff := cmp.Diff(want, got.Table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if got.Status != "PLANNED" || !got.Changes || got.Complete {
		t.Errorf("status %s, changes %t, complete %t", got.Status, got.Changes, got.Complete)
	}
	if diff := cmp.Diff(plan.Summary{Added: 1, Modified: 3, Replaced: 1, Removed: 1}, got.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if len(got.Findings) != 1 || got.Findings[0].Code != "Open" {
		t.Errorf("findings: %v", got.Findings)
	}
}

func TestRunUnchanged(t *testing.T) {
	got, err := plan.Run(t.Context(), input())
	if err != nil || got.Changes || !got.Complete || got.Summary != (plan.Summary{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// No lock is taken (design, decision 12), so that somebody else may be at work.
func TestRunBesideAnother(t *testing.T) {
	in := input()
	in.State.Lock.HeldBy = "arn:aws:states:us-east-1:111111111111:execution:m:other"
	got, err := plan.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	held := got.Findings[len(got.Findings)-1]
	if held.Code != "EnvironmentHeld" || held.Severity != finding.Warning || !strings.Contains(held.Found, in.State.Lock.HeldBy) || !strings.Contains(held.Next, "plan again") {
		t.Errorf("got %+v", held)
	}
}

// A stage that was written without regard to plans must not pass for one that changes nothing.
func TestRunOfForgetfulStages(t *testing.T) {
	silent := input()
	silent.State.Egress.Change = "updated"
	missing := input()
	missing.State.Egress = nil
	for name, in := range map[string]stage.Input{"says that it changes and not what": silent, "has no section": missing} {
		if _, err := plan.Run(t.Context(), in); fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "Egress") {
			t.Errorf("a stage that %s: %v", name, err)
		}
	}
}
