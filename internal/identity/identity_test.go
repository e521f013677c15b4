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
		Chart: environment.ChartSource{Repository: "s3://charts/controller-3.5.0.zip"}, PermissionsBoundary: "arn:boundary", VPCID: "vpc-1",
	}
	cases := map[string]struct {
		reason  string
		request environment.Request
		want    map[string]string
	}{
		"Full": {"every field has its parameter", full, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "arn:platform", "PipelineRole": "arn:pipeline",
			"ClusterAdminRole": "arn:admin", "NodeType": "MANAGED", "AssumableRoles": "arn:a,arn:b",
			"ChartObject": "charts/controller-3.5.0.zip", "PermissionsBoundary": "arn:boundary", "VpcId": "vpc-1",
			"ClusterAdminTrust": "", "ClusterAdminTrustAccounts": "",
		}},
		"Trust": {"each account once", environment.Request{Prefix: "opa", Name: "dev", NodeType: "MANAGED", ClusterAdminTrust: []string{
			"arn:aws:iam::222222222222:role/a", "arn:aws:iam::333333333333:user/team/b", "arn:aws:iam::222222222222:role/c",
		}}, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "", "PipelineRole": "", "ClusterAdminRole": "", "NodeType": "MANAGED", "AssumableRoles": "",
			"ChartObject": "", "PermissionsBoundary": "", "VpcId": "",
			"ClusterAdminTrust":         "arn:aws:iam::222222222222:role/a,arn:aws:iam::333333333333:user/team/b,arn:aws:iam::222222222222:role/c",
			"ClusterAdminTrustAccounts": "arn:aws:iam::222222222222:root,arn:aws:iam::333333333333:root",
		}},
		"Registry": {"a chart that is not in S3 needs no right to an object", environment.Request{
			Prefix: "opa", Name: "dev", NodeType: "MANAGED", Chart: environment.ChartSource{Repository: "oci://public.ecr.aws/eks/aws-load-balancer-controller-chart"},
		}, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "", "PipelineRole": "", "ClusterAdminRole": "", "NodeType": "MANAGED", "AssumableRoles": "", "ChartObject": "",
			"PermissionsBoundary": "", "VpcId": "", "ClusterAdminTrust": "", "ClusterAdminTrustAccounts": "",
		}},
		"Least": {"empty means that the template makes the role, or leaves it out", environment.Request{Prefix: "opa", Name: "dev", PlatformRole: "arn:platform", PipelineRole: "arn:pipeline", NodeType: "FARGATE"}, map[string]string{
			"Prefix": "opa", "Name": "dev", "PlatformRole": "arn:platform", "PipelineRole": "arn:pipeline",
			"ClusterAdminRole": "", "NodeType": "FARGATE", "AssumableRoles": "", "ChartObject": "",
			"PermissionsBoundary": "", "VpcId": "", "ClusterAdminTrust": "", "ClusterAdminTrustAccounts": "",
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
