package register_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/register"
)

func TestParameters(t *testing.T) {
	got := register.Parameters(environment.State{
		Request: environment.Request{Prefix: "opa", Name: "dev", NodeType: "FARGATE"},
		Names:   environment.Names{UniqueID: "0a1b2c3d"},
		Network: &environment.Network{VPCID: "vpc-1", PublicSubnetIDs: []string{"subnet-1", "subnet-2"}, PrivateSubnetIDs: []string{"subnet-3", "subnet-4"}},
		Identity: &environment.Identity{
			KeyARN: "arn:key", SecretsKeyARN: "arn:secrets-key", AuditTable: "opa-dev-audit", OperationsRoleARN: "arn:operations",
			ProvisioningRoleARN: "arn:provisioning", ControlPlaneRoleARN: "arn:control-plane", ClusterAdminRoleARN: "arn:aws:iam::222222222222:role/team/admin",
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
		"ClusterAdminRoleArn": "arn:aws:iam::222222222222:role/team/admin", "ClusterAdminRoleName": "admin", "KubectlRoleArn": "arn:kubectl", "KubectlFunctionArn": "arn:function",
		"PodExecutionRoleArn": "arn:pods", "NodeRoleArn": "", "FluentBitRoleArn": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the delete hook is told: a request that the orchestrator takes, and a mark that changes with it.
func TestHook(t *testing.T) {
	state := environment.State{
		Execution: environment.Execution{ARN: "arn:aws:states:us-east-1:111111111111:execution:provider:0b0c"},
		Bootstrap: &environment.Bootstrap{DeleteHookARN: "arn:hook"},
		Request: environment.Request{
			Operation: "apply", Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "us-east-1", ExternalID: "unguessable",
			EnvironmentRole: "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole", VPCConfiguration: "use_existing", VPCID: "vpc-0123456789abcdef0",
			APIAccess: "private", NodeType: "FARGATE", Tags: map[string]string{"a": strings.Repeat("x", 200)}, KubernetesVersion: "1.36", Retain: []string{"auditTable", "logs"},
		},
	}
	got, err := register.Options{StarterRoleARN: "arn:starter"}.Hook(state)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"DeleteHookArn": "arn:hook", "StarterRoleArn": "arn:starter", "ExternalId": "unguessable",
		"StateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:provider", "Request": got["Request"], "Revision": got["Revision"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(got["Request"]+got["Revision"], "unguessable") {
		t.Errorf("whoever may describe the stack reads the external id: %s", got["Request"])
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(got["Request"]), &sent); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]any{"operation": "delete", "prefix": "opa", "name": "dev", "awsAccountID": "222222222222", "awsRegion": "us-east-1", "environmentRole": "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole"} {
		if sent[field] != value {
			t.Errorf("%s: got %v, want %v", field, sent[field], value)
		}
	}
	if diff := cmp.Diff([]any{"auditTable", "logs"}, sent["retain"]); diff != "" {
		t.Errorf("what the deletion keeps (-want +got):\n%s", diff)
	}
	state.Request.ExternalID = "another"
	changed, err := register.Options{StarterRoleARN: "arn:starter"}.Hook(state)
	if err != nil || changed["Revision"] == got["Revision"] {
		t.Errorf("CloudFormation does not see that the external id changed (%v)", err)
	}
}
