package templates_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
)

// all are the templates by the name of their file.
func all() map[string]string {
	return map[string]string{
		"bootstrap":  templates.Bootstrap,
		"deletehook": templates.DeleteHook,
		"network":    templates.Network,
		"identity":   templates.Identity,
		"cluster":    templates.Cluster,
		"egress":     templates.Egress,
		"kubectl":    templates.Kubectl,
		"provider":   templates.Provider,

		"network-existing": templates.NetworkExisting,
		"egress-existing":  templates.EgressExisting,

		"capacity-managed": templates.CapacityManaged,
		"capacity-fargate": templates.CapacityFargate,
		"addonroles":       templates.AddonRoles,
	}
}

// CloudFormation takes no more as TemplateBody (aws-traps.md, row 1.62); a stack policy has 16 KiB.
func TestSize(t *testing.T) {
	for name, body := range all() {
		if got := len(body); got >= 51_200 {
			t.Errorf("%s: %d bytes, CloudFormation takes fewer than 51,200", name, got)
		}
	}
	if got := len(templates.ClusterPolicy); got > 16_384 {
		t.Errorf("policy of the cluster stack: %d bytes, CloudFormation takes 16,384", got)
	}
}

// Nothing may need a bootstrapped account, a function that is not ours or a file in a bucket of the CDK.
func TestSelfContained(t *testing.T) {
	for name, body := range all() {
		for _, word := range []string{"Custom::AWS", "AWS::CloudFormation::CustomResource", "AWS::CDK::Metadata", "Assets", "asset.", "cdk-", "BootstrapVersion", "aws:cdk"} {
			if strings.Contains(body, word) {
				t.Errorf("%s: contains %q", name, word)
			}
		}
		for id, r := range parse(t, body).Resources {
			// The one custom resource is answered by a function of ours.
			if !strings.HasPrefix(r.Type, "AWS::") && (name != "provider" || r.Type != "Custom::EKSEnvironment") {
				t.Errorf("%s: %s is of type %s", name, id, r.Type)
			}
		}
	}
}

func TestDescriptions(t *testing.T) {
	for name, body := range all() {
		parsed := parse(t, body)
		if parsed.Description == "" {
			t.Errorf("%s: no description", name)
		}
		for id, p := range parsed.Parameters {
			if p.Description == "" {
				t.Errorf("%s: parameter %s has no description", name, id)
			}
		}
		for id, o := range parsed.Outputs {
			if o.Description == "" {
				t.Errorf("%s: output %s has no description", name, id)
			}
		}
	}
}

// Parameters and outputs are what the stages pass and read.
func TestInterface(t *testing.T) {
	cases := map[string]struct {
		reason              string
		parameters, outputs string
	}{
		"deletehook": {
			reason:     "shared by all environments, so it knows none",
			parameters: "Architecture ArtifactBucket FunctionKey PermissionsBoundary StarterRoleArn",
			outputs:    "FunctionArn",
		},
		"bootstrap": {
			reason:     "shared by all environments, so it knows none",
			parameters: "PermissionsBoundary PlatformAccount",
			outputs:    "ArtifactBucket PlatformAccount ServiceRoleArn",
		},
		"network": {
			reason:     "stages compute the address blocks",
			parameters: "AvailabilityZones Name Prefix PrivateSubnetCidrs PublicSubnetCidrs VpcCidr ZoneCount",
			outputs: "ControlPlaneSecurityGroupId KubectlSecurityGroupId PrivateRouteTableIds PrivateSubnetIds " +
				"PublicRouteTableId PublicSubnetIds VpcId",
		},
		"identity": {
			reason: "made beside the network, so it takes nothing from it; a VPC that is there already is the request's",
			parameters: "AssumableRoles ChartObject ClusterAdminRole ClusterAdminTrust ClusterAdminTrustAccounts Name NodeType PermissionsBoundary " +
				"PipelineRole PlatformRole Prefix VpcId",
			outputs: "AuditTable ClusterAdminRoleArn ControlPlaneRoleArn KeyArn KubectlRoleArn NodeRoleArn " +
				"OperationsRoleArn PodExecutionRoleArn ProvisioningRoleArn SecretsKeyArn",
		},
		"cluster": {
			reason: "takes network and identity",
			parameters: "ClusterAdminRoleArn ControlPlaneRoleArn KubernetesVersion Name Prefix ProvisioningRoleArn PublicAccess " +
				"PublicAccessCidrs SecretsKeyArn SecurityGroupId SubnetIds SupportType",
			outputs: "ClusterArn ClusterName ClusterSecurityGroupId Endpoint Issuer OidcProviderArn",
		},
		"kubectl": {
			reason:     "made beside the cluster, so it takes nothing from it",
			parameters: "Architecture ArtifactBucket AssumableRoles FunctionKey LayerKey LayerVersion Name Prefix RoleArn SecurityGroupId SubnetIds",
			outputs:    "FunctionArn LayerVersionArn",
		},
		"capacity-managed": {
			reason:     "takes network, identity and the cluster's version",
			parameters: "AmiType CapacityType DesiredSize DiskDevice DiskSize InstanceType InstanceTypes KubernetesVersion MaxSize MaxUnavailable MaxUnavailablePercentage MinSize Name NodeRoleArn Prefix SubnetIds",
			outputs:    "LaunchTemplateId NodeGroupArn",
		},
		"capacity-fargate": {
			reason:     "knows nothing of nodes",
			parameters: "Name PodExecutionRoleArn Prefix SubnetIds",
			outputs:    "ProfileArn",
		},
		"addonroles": {
			reason:     "takes the cluster's issuer",
			parameters: "Issuer Name NodeType OidcProviderArn PermissionsBoundary Prefix",
			outputs:    "FluentBitRoleArn LoadBalancerControllerRoleArn",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			parsed := parse(t, all()[name])
			if diff := cmp.Diff(strings.Fields(tc.parameters), slices.Sorted(maps.Keys(parsed.Parameters))); diff != "" {
				t.Errorf("%s: parameters (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(strings.Fields(tc.outputs), slices.Sorted(maps.Keys(parsed.Outputs))); diff != "" {
				t.Errorf("%s: outputs (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A create that failed is made again after its rollback. What the rollback left would be made a second
// time, and the first one would be in no stack: RetainExceptOnCreate keeps a resource in every other case.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
func TestFailedCreateLeavesNothing(t *testing.T) {
	for name, body := range all() {
		for id, r := range parse(t, body).Resources {
			if r.DeletionPolicy == "Retain" {
				t.Errorf("%s: %s stays behind when the create of its stack is rolled back", name, id)
			}
		}
	}
	key := parse(t, templates.Identity).Resources["SecretsKey"]
	if key.DeletionPolicy != "RetainExceptOnCreate" {
		t.Errorf("SecretsKey: DeletionPolicy %q: want RetainExceptOnCreate", key.DeletionPolicy)
	}
}

// Another value of a create-only property, another role or another logical id is another cluster
// (aws-traps.md, rows 1.1, 1.2 and 1.4), so all of them are pinned here. A change of this test is a
// change that no existing environment survives.
func TestClusterIsNeverReplaced(t *testing.T) {
	r := deploy(t, templates.Cluster, map[string]string{"Prefix": "opa", "Name": "dev", "PublicAccess": "true"}).resources()
	cluster, ok := r["Cluster"]
	if !ok || cluster.Type != "AWS::EKS::Cluster" {
		t.Fatalf("Cluster: got a resource of type %q", cluster.Type)
	}
	want := map[string]any{
		"Name":             "opa-dev-cluster",
		"RoleArn":          "{ControlPlaneRoleArn}",
		"EncryptionConfig": []any{map[string]any{"Provider": map[string]any{"KeyArn": "{SecretsKeyArn}"}, "Resources": []any{"secrets"}}},
	}
	for name, value := range want {
		if diff := cmp.Diff(value, cluster.Properties[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"OutpostConfig", "KubernetesNetworkConfig", "BootstrapSelfManagedAddons"} {
		if v, ok := cluster.Properties[name]; ok {
			t.Errorf("%s is create-only: got %v, want none", name, v)
		}
	}
	if cluster.UpdateReplacePolicy != "Retain" || cluster.DeletionPolicy != "Delete" || cluster.Condition != "" {
		t.Errorf("UpdateReplacePolicy %q, DeletionPolicy %q, Condition %q: want Retain, Delete, none",
			cluster.UpdateReplacePolicy, cluster.DeletionPolicy, cluster.Condition)
	}

	role := parse(t, templates.Identity).Resources["ControlPlaneRole"]
	wantName := map[string]any{"Fn::Sub": "${Prefix}-${Name}-cluster-control-plane-role"}
	if diff := cmp.Diff(wantName, role.Properties["RoleName"]); diff != "" {
		t.Errorf("name of the cluster's role (-want +got):\n%s", diff)
	}
	if _, ok := role.Properties["Path"]; ok || role.Condition != "" || role.Type != "AWS::IAM::Role" {
		t.Errorf("the cluster's role: Path or Condition %q or type %q: want none, none, AWS::IAM::Role", role.Condition, role.Type)
	}

	var policy struct {
		Statement []struct {
			Effect, Principal, Resource string
			Action                      []string
		}
	}
	if err := json.Unmarshal([]byte(templates.ClusterPolicy), &policy); err != nil {
		t.Fatalf("parse stack policy: %v", err)
	}
	denied := false
	for _, s := range policy.Statement {
		if s.Effect == "Deny" && s.Resource == "LogicalResourceId/Cluster" {
			denied = slices.Equal(s.Action, []string{"Update:Replace", "Update:Delete"}) && s.Principal == "*"
		}
	}
	if !denied {
		t.Errorf("the stack policy does not deny Update:Replace and Update:Delete on Cluster: %s", templates.ClusterPolicy)
	}
}

func TestClusterAccess(t *testing.T) {
	cases := map[string]struct {
		reason        string
		public, cidrs string
		want          map[string]any
	}{
		"private": {
			reason: "no list of blocks for an endpoint that was never there",
			public: "false",
			want:   map[string]any{"EndpointPublicAccess": false},
		},
		"closed": {
			reason: "CloudFormation refuses an update that leaves out the list which was there",
			public: "false", cidrs: "192.0.2.0/24",
			want: map[string]any{"EndpointPublicAccess": false, "PublicAccessCidrs": []any{"192.0.2.0/24"}},
		},
		"public": {
			reason: "no list means everybody",
			public: "true",
			want:   map[string]any{"EndpointPublicAccess": true},
		},
		"restricted": {
			reason: "the list is passed on",
			public: "true", cidrs: "192.0.2.0/24,198.51.100.0/24",
			want: map[string]any{"EndpointPublicAccess": true, "PublicAccessCidrs": []any{"192.0.2.0/24", "198.51.100.0/24"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := deploy(t, templates.Cluster, map[string]string{
				"SubnetIds": "subnet-1,subnet-2", "PublicAccess": tc.public, "PublicAccessCidrs": tc.cidrs,
			}).resources()
			tc.want["EndpointPrivateAccess"] = true
			tc.want["SubnetIds"] = []any{"subnet-1", "subnet-2"}
			tc.want["SecurityGroupIds"] = []any{"{SecurityGroupId}"}
			properties := r["Cluster"].Properties
			if diff := cmp.Diff(tc.want, properties["ResourcesVpcConfig"]); diff != "" {
				t.Errorf("%s: ResourcesVpcConfig (-want +got):\n%s", tc.reason, diff)
			}
			// Rows 1.12 and 1.13: neither default is ours.
			access := map[string]any{"AuthenticationMode": "API_AND_CONFIG_MAP", "BootstrapClusterCreatorAdminPermissions": false}
			if diff := cmp.Diff(access, properties["AccessConfig"]); diff != "" {
				t.Errorf("AccessConfig (-want +got):\n%s", diff)
			}
			// Row 1.6: an update without Logging cannot even be rolled back.
			logging := map[string]any{"ClusterLogging": map[string]any{"EnabledTypes": []any{
				map[string]any{"Type": "api"}, map[string]any{"Type": "authenticator"}, map[string]any{"Type": "scheduler"},
			}}}
			if diff := cmp.Diff(logging, properties["Logging"]); diff != "" {
				t.Errorf("Logging (-want +got):\n%s", diff)
			}
			for id, principal := range map[string]string{"ClusterAdminAccess": "{ClusterAdminRoleArn}", "ProvisioningAccess": "{ProvisioningRoleArn}"} {
				want := map[string]any{
					"ClusterName": "{Cluster}", "PrincipalArn": principal, "Username": principal, "Type": "STANDARD",
					"AccessPolicies": []any{map[string]any{
						"PolicyArn":   "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
						"AccessScope": map[string]any{"Type": "cluster"},
					}},
				}
				if diff := cmp.Diff(want, r[id].Properties); diff != "" {
					t.Errorf("%s (-want +got):\n%s", id, diff)
				}
			}
		})
	}
}

// Row 1.15: neither the provider's ARN nor a trust policy's key has the scheme.
func TestIssuerHasNoScheme(t *testing.T) {
	want := map[string]any{"Fn::Select": []any{1.0, map[string]any{"Fn::Split": []any{
		"//", map[string]any{"Fn::GetAtt": []any{"Cluster", "OpenIdConnectIssuerUrl"}},
	}}}}
	if diff := cmp.Diff(want, parse(t, templates.Cluster).Outputs["Issuer"].Value); diff != "" {
		t.Errorf("Issuer (-want +got):\n%s", diff)
	}
}

// The kubectl function reaches the Kubernetes API: its group may leave by 443, and the group that
// the cluster is made with lets it in.
func TestReachability(t *testing.T) {
	s := deploy(t, templates.Network, map[string]string{"ZoneCount": "3", "AvailabilityZones": "a,b,c", "PublicSubnetCidrs": "1,2,3", "PrivateSubnetCidrs": "4,5,6"})
	out, function := s.outputs()["ControlPlaneSecurityGroupId"], s.outputs()["KubectlSecurityGroupId"]
	admitted, leaves := false, false
	for id, r := range s.resources() {
		switch r.Type {
		case "AWS::EC2::SecurityGroupIngress":
			p := r.Properties
			admitted = admitted || p["GroupId"] == out && p["SourceSecurityGroupId"] == function &&
				p["IpProtocol"] == "tcp" && p["FromPort"] == 443.0 && p["ToPort"] == 443.0
		case "AWS::EC2::SecurityGroup":
			if "{"+id+".GroupId}" != function {
				continue
			}
			for _, rule := range r.Properties["SecurityGroupEgress"].([]any) {
				p := rule.(map[string]any)
				leaves = leaves || p["IpProtocol"] == "tcp" && p["FromPort"] == 443.0 && p["ToPort"] == 443.0 && p["CidrIp"] == "0.0.0.0/0"
			}
		}
	}
	if !admitted {
		t.Errorf("%s does not admit 443 from %s", out, function)
	}
	if !leaves {
		t.Errorf("%s does not let 443 out", function)
	}
	p := deploy(t, templates.Cluster, map[string]string{"SecurityGroupId": out}).resources()["Cluster"].Properties
	if diff := cmp.Diff([]any{out}, p["ResourcesVpcConfig"].(map[string]any)["SecurityGroupIds"]); diff != "" {
		t.Errorf("the cluster's security groups (-want +got):\n%s", diff)
	}
	f := deploy(t, templates.Kubectl, map[string]string{"SecurityGroupId": function}).resources()["Function"].Properties
	if diff := cmp.Diff([]any{function}, f["VpcConfig"].(map[string]any)["SecurityGroupIds"]); diff != "" {
		t.Errorf("the function's security groups (-want +got):\n%s", diff)
	}
}

func TestZones(t *testing.T) {
	cases := map[string]struct {
		reason  string
		values  map[string]string
		subnets int
		public  string
	}{
		"two": {
			reason:  "nothing of the third zone is made",
			values:  map[string]string{"ZoneCount": "2", "AvailabilityZones": "a,b", "PublicSubnetCidrs": "1,2", "PrivateSubnetCidrs": "3,4"},
			subnets: 4, public: "{PublicSubnet1},{PublicSubnet2}",
		},
		"three": {
			reason:  "one subnet of each kind per zone",
			values:  map[string]string{"ZoneCount": "3", "AvailabilityZones": "a,b,c", "PublicSubnetCidrs": "1,2,3", "PrivateSubnetCidrs": "4,5,6"},
			subnets: 6, public: "{PublicSubnet1},{PublicSubnet2},{PublicSubnet3}",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, templates.Network, tc.values)
			subnets, routed := 0, 0
			for _, r := range s.resources() {
				switch r.Type {
				case "AWS::EC2::Subnet":
					subnets++
					if !taggedForLoadBalancers(r) {
						t.Errorf("subnet %v: no tag kubernetes.io/role/elb or internal-elb", r.Properties["CidrBlock"])
					}
				case "AWS::EC2::SubnetRouteTableAssociation":
					routed++
				}
			}
			if subnets != tc.subnets || routed != tc.subnets {
				t.Errorf("%s: got %d subnets, %d of them routed, want %d", tc.reason, subnets, routed, tc.subnets)
			}
			if got := s.outputs()["PublicSubnetIds"]; got != tc.public {
				t.Errorf("%s: PublicSubnetIds %s, want %s", tc.reason, got, tc.public)
			}
		})
	}
}

func taggedForLoadBalancers(r resource) bool {
	tags, _ := r.Properties["Tags"].([]any)
	for _, tag := range tags {
		key, _ := tag.(map[string]any)["Key"].(string)
		if (key == "kubernetes.io/role/elb" || key == "kubernetes.io/role/internal-elb") && tag.(map[string]any)["Value"] == "1" {
			return true
		}
	}
	return false
}

// The fixture is written by hand from harmonix-contract.md, sections 2.9 and 2.10.
func TestProviderKeepsTheContract(t *testing.T) {
	type ssm struct{ Type, Value string }
	var contract struct {
		Parameters, FargateParameters           map[string]ssm
		Outputs, FargateOutputs, ManagedOutputs map[string]string
		OwnOutputs, OwnManagedOutputs           map[string]string
	}
	raw, err := os.ReadFile("testdata/provider.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	arn := func(role string) string { return "arn:aws:iam::222222222222:role/" + role }
	values := map[string]string{
		"Prefix": "opa", "Name": "dev", "UniqueId": "abcd1234", "AWS::StackName": "EKS-ENV-opa-dev-Stack",
		"VpcId": "vpc-1", "PublicSubnetIds": "subnet-1,subnet-2", "PrivateSubnetIds": "subnet-3,subnet-4",
		"KeyArn": "arn:key", "AuditTable": "opa-dev-audit",
		"ClusterArn":         "arn:aws:eks:us-east-1:222222222222:cluster/opa-dev-cluster",
		"KubectlFunctionArn": "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-dev-kubectl",
		"OperationsRoleArn":  arn("opa-dev-operations-role"), "ProvisioningRoleArn": arn("opa-dev-provisioning-role"),
		"ControlPlaneRoleArn": arn("opa-dev-cluster-control-plane-role"), "ClusterAdminRoleArn": arn("team/supplied"),
		"ClusterAdminRoleName": "supplied",
		"KubectlRoleArn":       arn("opa-dev-kubectl-lambda-role"),
	}
	cases := map[string]struct {
		reason, parameter, role string
		parameters              []map[string]ssm
		outputs                 []map[string]string
	}{
		"FARGATE": {
			reason:    "with the role of the pods",
			parameter: "PodExecutionRoleArn", role: "opa-dev-pod-execution-role",
			parameters: []map[string]ssm{contract.Parameters, contract.FargateParameters},
			outputs:    []map[string]string{contract.Outputs, contract.OwnOutputs, contract.FargateOutputs},
		},
		"MANAGED": {
			reason:    "with the role of the nodes",
			parameter: "NodeRoleArn", role: "opa-dev-node-role",
			parameters: []map[string]ssm{contract.Parameters},
			outputs:    []map[string]string{contract.Outputs, contract.OwnOutputs, contract.ManagedOutputs, contract.OwnManagedOutputs},
		},
	}
	for nodeType, tc := range cases {
		t.Run(nodeType, func(t *testing.T) {
			given := maps.Clone(values)
			given["NodeType"], given[tc.parameter] = nodeType, arn(tc.role)
			if nodeType == "MANAGED" {
				given["FluentBitRoleArn"] = arn("opa-dev-cluster-fluent-bit-sa-role")
			}
			s := deploy(t, templates.Provider, given)
			got := map[string]ssm{}
			for _, r := range s.resources() {
				if r.Type != "AWS::SSM::Parameter" {
					continue
				}
				name, _ := r.Properties["Name"].(string)
				kind, _ := r.Properties["Type"].(string)
				v, _ := r.Properties["Value"].(string)
				got[name] = ssm{Type: kind, Value: v}
			}
			if diff := cmp.Diff(merged(tc.parameters), got); diff != "" {
				t.Errorf("%s: SSM parameters (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(merged(tc.outputs), s.outputs()); diff != "" {
				t.Errorf("%s: outputs (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func merged[V any](parts []map[string]V) map[string]V {
	whole := map[string]V{}
	for _, part := range parts {
		maps.Copy(whole, part)
	}
	return whole
}

// What a log, a retry or a missing permission would otherwise cost; see the function's contract.
func TestKubectlFunction(t *testing.T) {
	s := deploy(t, templates.Kubectl, map[string]string{"Prefix": "opa", "Name": "dev", "AssumableRoles": "a,b"})
	r := s.resources()
	f := r["Function"].Properties
	want := map[string]any{
		"FunctionName": "EKS-ENV-opa-dev-kubectl", "Runtime": "provided.al2023", "Handler": "bootstrap",
		"Timeout": 900.0, "MemorySize": 1024.0,
		"LoggingConfig": map[string]any{"LogGroup": "{LogGroup}"},
		"Environment":   map[string]any{"Variables": map[string]any{"ASSUMABLE_ROLES": "a,b", "KUBECTL_MINOR": "{LayerVersion}"}},
	}
	for name, v := range want {
		if diff := cmp.Diff(v, f[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := r["EventInvokeConfig"].Properties["MaximumRetryAttempts"]; got != 0.0 {
		t.Errorf("MaximumRetryAttempts: got %v, want 0", got)
	}
	if got := r["LogGroup"].Properties["RetentionInDays"]; got != 60.0 {
		t.Errorf("RetentionInDays: got %v, want 60", got)
	}
	if got := s.outputs()["FunctionArn"]; got != "{Function.Arn}" {
		t.Errorf("FunctionArn: got %s, want it without a version", got)
	}
}

// EC2 takes these characters in the descriptions of groups and rules, and refuses an apostrophe:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
func TestSecurityGroupDescriptions(t *testing.T) {
	allowed := regexp.MustCompile(`^[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)
	found := 0
	var look func(where string, v any)
	look = func(where string, v any) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				look(where, element)
			}
		case map[string]any:
			for key, element := range v {
				if text, ok := element.(string); ok && (key == "Description" || key == "GroupDescription") {
					found++
					if !allowed.MatchString(text) {
						t.Errorf("%s: EC2 refuses the description %q", where, text)
					}
				}
				look(where, element)
			}
		}
	}
	for name, body := range all() {
		for id, r := range parse(t, body).Resources {
			if strings.HasPrefix(r.Type, "AWS::EC2::SecurityGroup") {
				look(name+": "+id, r.Properties)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d descriptions, which are too few for the templates", found)
	}
}
