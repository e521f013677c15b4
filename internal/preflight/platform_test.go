package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestHarmonixRoles(t *testing.T) {
	const backend, runner = "arn:aws:iam::111111111111:role/backend", "arn:aws:iam::111111111111:role/ci/runner"
	role := func(arn string) types.Role { return types.Role{Arn: aws.String(arn)} }
	cases := map[string]struct {
		reason, platform, pipeline string
		roles                      map[string]types.Role
		want                       string
	}{
		"There":      {"both exist", backend, runner, map[string]types.Role{"backend": role(backend), "runner": role(runner)}, ""},
		"Missing":    {"one does not", backend, runner, map[string]types.Role{"backend": role(backend)}, "RoleMissing/pipelineRole"},
		"OtherPath":  {"a condition compares the whole ARN", backend, "arn:aws:iam::111111111111:role/runner", map[string]types.Role{"backend": role(backend), "runner": role(runner)}, "RoleMissing/pipelineRole"},
		"Same":       {"the backend would be a pipeline", backend, backend, map[string]types.Role{"backend": role(backend)}, "SameRole/pipelineRole"},
		"OtherPlace": {"an account that nobody sees into", "arn:aws:iam::333333333333:role/a", "arn:aws:iam::333333333333:role/b", nil, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := dev(func(s *subject) { s.request.PlatformRole, s.request.PipelineRole = tc.platform, tc.pipeline })
			found, err := lookAtHarmonix(t.Context(), map[string]roleAPI{"111111111111": fakeIAM{roles: tc.roles}}, s)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				if f.Severity != "warning" || f.Next == "" {
					t.Errorf("%s: got %+v", tc.reason, f)
				}
				got = append(got, f.Code+f.Field)
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, text, tc.want)
			}
		})
	}
}

func TestSupportEnds(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		end    time.Time
		want   string
	}{
		"Soon":  {"time to plan the upgrade", time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC), "Kubernetes 1.34 ends on 2026-12-02"},
		"Over":  {"a cluster that was left alone", time.Date(2026, 7, 29, 0, 0, 0, 0, time.UTC), "Kubernetes 1.34 ended on 2026-07-29"},
		"Later": {"no reason to say anything", time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := dev(func(s *subject) { s.request.KubernetesVersion = "1.34" })
			got := ending(ekstypes.ClusterVersionInformation{ClusterVersion: aws.String("1.34"), EndOfStandardSupportDate: &tc.end}, s, now)
			if (tc.want == "") != (len(got) == 0) || tc.want != "" && !strings.Contains(got[0].Found, tc.want) {
				t.Errorf("%s: got %v, want %q", tc.reason, got, tc.want)
			}
		})
	}
	other := ekstypes.ClusterVersionInformation{ClusterVersion: aws.String("1.33"), EndOfStandardSupportDate: &now}
	if got := ending(other, dev(nil), now); len(got) > 0 {
		t.Errorf("another version: got %v", got)
	}
}
