package environment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// The chart writes --default-tags=key=value,… as a plain scalar of YAML, which ends at a colon before a space.
func TestBalancerTags(t *testing.T) {
	r := environment.Request{Tags: map[string]string{
		"cost-center": "4711", "url": "https://example.com", "time": "12:30",
		"Owner": "Team: payments", "open": "yes:", "a=b": "c", "d,e": "f", "elbv2.k8s.aws/cluster": "g",
	}}
	tags, without := r.BalancerTags()
	if diff := cmp.Diff(map[string]string{"cost-center": "4711", "url": "https://example.com", "time": "12:30"}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Owner", "a=b", "d,e", "elbv2.k8s.aws/cluster", "open"}, without); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if got := len(r.Tags); got != 8 {
		t.Errorf("the request has %d tags left", got)
	}
}
