package preflight

import (
	"strings"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

func TestDeletion(t *testing.T) {
	cases := map[string]struct {
		reason, account string
		trusted         []string
		warns           bool
	}{
		"Named":    {"its hook may start deletions", "222222222222", []string{"333333333333", "222222222222"}, false},
		"Own":      {"the platform account need not be named", "111111111111", nil, false},
		"Stranger": {"found out now and not when somebody deletes", "444444444444", []string{"222222222222"}, true},
		"None":     {"as above", "222222222222", nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := subject{platformAccount: "111111111111", request: environment.Request{AccountID: tc.account}}
			found := deletion(s, tc.trusted)
			if (len(found) == 1) != tc.warns {
				t.Fatalf("%s: found %v", tc.reason, found)
			}
			if tc.warns && (found[0].Severity != "warning" || found[0].Code != "NoTargetAccount" || found[0].Next == "") {
				t.Errorf("%s: found %+v", tc.reason, found[0])
			}
		})
	}
}

func TestOtherOrchestrator(t *testing.T) {
	const own = "arn:aws:iam::111111111111:role/own"
	cases := map[string]struct {
		reason string
		stacks map[string]stack.Description
		warns  bool
	}{
		"None":  {"the first environment of the account brings the hook", nil, false},
		"Own":   {"it is this orchestrator's", map[string]stack.Description{"EKS-ENV-Bootstrap-DeleteHook": {Parameters: map[string]string{"StarterRoleArn": own}}}, false},
		"Other": {"found out now and not when somebody deletes", map[string]stack.Description{"EKS-ENV-Bootstrap-DeleteHook": {Parameters: map[string]string{"StarterRoleArn": "arn:other"}}}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found := otherOrchestrator(dev(func(s *subject) { s.stacks = tc.stacks }), own)
			if (len(found) == 1) != tc.warns {
				t.Fatalf("%s: found %v", tc.reason, found)
			}
			if tc.warns && (found[0].Severity != "warning" || !strings.Contains(found[0].Found, "as arn:other") || !strings.Contains(found[0].Next, "one orchestrator")) {
				t.Errorf("%s: found %+v", tc.reason, found[0])
			}
		})
	}
}
