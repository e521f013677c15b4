package teardown

import (
	"testing"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// Log groups are made anew for about a minute after what writes them is gone (row 6.5).
func TestLastEnd(t *testing.T) {
	early, late := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC)
	account := made{stacks: map[string]stack.Description{"id-cluster": {Deleted: early}, "id-kubectl": {Deleted: late}, "id-network": {Deleted: late.Add(time.Hour)}}}
	survey := &environment.Survey{Stacks: []environment.SurveyedStack{
		{Name: names.ClusterStack, ID: "id-cluster"}, {Name: names.KubectlStack, ID: "id-kubectl"}, {Name: names.NetworkStack, ID: "id-network"},
	}}
	for _, tc := range []struct {
		reason string
		survey *environment.Survey
		want   time.Time
	}{
		{"the later of those that write logs", survey, late},
		{"nothing was there that writes", &environment.Survey{}, time.Time{}},
	} {
		if got, err := lastEnd(t.Context(), account, names, tc.survey); err != nil || !got.Equal(tc.want) {
			t.Errorf("%s: got %s (%v), want %s", tc.reason, got, err, tc.want)
		}
	}
}

func TestNoneSince(t *testing.T) {
	survey := &environment.Survey{Stacks: []environment.SurveyedStack{{Name: names.IdentityStack, ID: "id"}}}
	for _, tc := range []struct {
		reason string
		stacks map[string]stack.Description
		code   fault.Code
	}{
		{"all are gone", nil, ""},
		{"one that was seen at the start is its own state's", map[string]stack.Description{names.IdentityStack: {}}, ""},
		{"a function of a stopped execution was late", map[string]stack.Description{names.KubectlStack: {}}, fault.Conflict},
	} {
		if code := fault.CodeOf(noneSince(t.Context(), made{stacks: tc.stacks}, names, survey)); code != tc.code {
			t.Errorf("%s: got %q", tc.reason, code)
		}
	}
}
