package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/identity"
)

func TestParameters(t *testing.T) {
	full := environment.Request{
		Prefix: "opa", Name: "dev", PlatformRole: "arn:platform", PipelineRole: "arn:pipeline",
		ClusterAdminRole: "arn:admin", NodeType: "MANAGED", AssumableRoles: []string{"arn:a", "arn:b"},
	}
	cases := map[string]struct {
		reason  string
		request environment.Request
		want    map[string]string
	}{
		"Full": {"every field has its parameter", full, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "arn:platform", "PipelineRole": "arn:pipeline",
			"ClusterAdminRole": "arn:admin", "NodeType": "MANAGED", "AssumableRoles": "arn:a,arn:b",
		}},
		"Least": {"empty means that the template makes the role, or leaves it out", environment.Request{Prefix: "opa", Name: "dev", PlatformRole: "arn:platform", PipelineRole: "arn:pipeline", NodeType: "FARGATE"}, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "arn:platform", "PipelineRole": "arn:pipeline",
			"ClusterAdminRole": "", "NodeType": "FARGATE", "AssumableRoles": "",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, identity.Parameters(tc.request)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
