package harmonix_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/harmonix"
)

func TestParameters(t *testing.T) {
	got := harmonix.Parameters(environment.State{
		Request: environment.Request{Prefix: "opa", Name: "dev", NodeType: "FARGATE"},
		Names:   environment.Names{UniqueID: "0a1b2c3d"},
		Network: &environment.Network{VPCID: "vpc-1", PublicSubnetIDs: []string{"subnet-1", "subnet-2"}, PrivateSubnetIDs: []string{"subnet-3", "subnet-4"}},
		Identity: &environment.Identity{
			KeyARN: "arn:key", SecretsKeyARN: "arn:secrets-key", AuditTable: "opa-dev-audit", OperationsRoleARN: "arn:operations",
			ProvisioningRoleARN: "arn:provisioning", ControlPlaneRoleARN: "arn:control-plane", ClusterAdminRoleARN: "arn:admin",
			KubectlRoleARN: "arn:kubectl", PodExecutionRoleARN: "arn:pods",
		},
		Cluster: &environment.Cluster{ARN: "arn:cluster"},
		Kubectl: &environment.Kubectl{FunctionARN: "arn:function"}, AddonRoles: &environment.AddonRoles{},
	})
	want := map[string]string{
		"Prefix": "opa", "Name": "dev", "UniqueId": "0a1b2c3d", "NodeType": "FARGATE",
		"VpcId": "vpc-1", "PublicSubnetIds": "subnet-1,subnet-2", "PrivateSubnetIds": "subnet-3,subnet-4",
		"KeyArn": "arn:key", "AuditTable": "opa-dev-audit", "ClusterArn": "arn:cluster",
		"OperationsRoleArn": "arn:operations", "ProvisioningRoleArn": "arn:provisioning", "ControlPlaneRoleArn": "arn:control-plane",
		"ClusterAdminRoleArn": "arn:admin", "KubectlRoleArn": "arn:kubectl", "KubectlFunctionArn": "arn:function",
		"PodExecutionRoleArn": "arn:pods", "NodeRoleArn": "", "FluentBitRoleArn": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
