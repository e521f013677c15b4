package record_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// A state that is called again knows only of what its last call removed. What was there at the start says
// the rest.
func TestRemovedSinceSurvey(t *testing.T) {
	survey := environment.Survey{
		Leftovers: []string{"log group a", "log group b", "load balancer c"},
		Objects:   []string{"Ingress shop/quick", "Ingress shop/slow", "Service shop/stuck"},
		Protected: []string{"stack K", "load balancer c"},
	}
	stuck := []environment.Leftover{{What: "Service shop/stuck", Why: "finalizers"}}
	cases := map[string]struct {
		reason string
		drain  environment.Drain
		kubectl,
		sweep environment.Removal
		want []string
	}{
		"Reached": {
			reason:  "what went in an earlier call is named, once, and what stays is not",
			drain:   environment.Drain{Reached: true, Removal: environment.Removal{Removed: []string{"Ingress shop/slow"}, Orphaned: stuck}},
			kubectl: environment.Removal{Removed: []string{"stack K"}},
			sweep:   environment.Removal{Removed: []string{"log group a"}, Kept: []environment.Leftover{{What: "log group b", Why: "retained"}}},
			want: []string{
				"Ingress shop/slow", "stack K", "log group a", "load balancer c", "Ingress shop/quick",
				"protection from deletion of stack K", "protection from deletion of load balancer c",
			},
		},
		"Unreached": {
			reason: "nobody has deleted the objects of a cluster that did not answer",
			sweep:  environment.Removal{Orphaned: []environment.Leftover{{What: "load balancer c", Why: "refused"}}},
			want:   []string{"log group a", "log group b", "protection from deletion of stack K"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := full()
			s.Request.Operation = environment.OperationDelete
			s.Survey, s.Drain, s.DeleteKubectl, s.SweepData = &survey, &tc.drain, &tc.kubectl, &tc.sweep
			got, err := record.NewCompleteDelete(record.NewHistory(&table{}, "t"), &locks{}, (&events{}).bus()).Run(t.Context(), stage.Input{State: s})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Removed); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
