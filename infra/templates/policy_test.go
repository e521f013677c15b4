package templates_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/deploykubectl"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// statement is one statement of a policy, evaluated.
type statement struct {
	Sid, Effect string
	Principal   any
	Action      []string
	Resource    any
	Condition   map[string]map[string]any
}

// longest is an environment with the longest name whose roles' names fit into 64 characters.
func longest(extra map[string]string) map[string]string {
	values := map[string]string{
		"Prefix": strings.Repeat("p", 18), "Name": strings.Repeat("n", 18),
		"PlatformRole": "arn:aws:iam::111111111111:role/platform", "PipelineRole": "arn:aws:iam::111111111111:role/ci/pipeline",
	}
	maps.Copy(values, extra)
	return values
}

// roles are the roles of a stack by their logical id.
func roles(s stack) map[string]resource {
	found := s.resources()
	maps.DeleteFunc(found, func(_ string, r resource) bool { return r.Type != "AWS::IAM::Role" })
	return found
}

// statements decodes a policy document.
func statements(t *testing.T, document any) []statement {
	t.Helper()
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []statement }
	if err := json.Unmarshal(raw, &policy); err != nil {
		t.Fatal(err)
	}
	return policy.Statement
}

// service returns the statements of the service role, whose policies are managed ones.
func service(t *testing.T) []statement {
	t.Helper()
	made := deploy(t, templates.Bootstrap, nil).resources()
	var list []statement
	for _, arn := range texts(made["ServiceRole"].Properties["ManagedPolicyArns"]) {
		list = append(list, statements(t, made[strings.Trim(arn, "{}")].Properties["PolicyDocument"])...)
	}
	if len(list) == 0 {
		t.Fatal("the service role has no policies")
	}
	return list
}

// inline returns a role's inline statements and how many characters their documents have.
func inline(t *testing.T, role resource) (list []statement, size int) {
	t.Helper()
	policies, _ := role.Properties["Policies"].([]any)
	for _, policy := range policies {
		document := policy.(map[string]any)["PolicyDocument"]
		raw, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		size += len(raw)
		list = append(list, statements(t, document)...)
	}
	return list, size
}

// IAM counts 10,240 characters over a role's inline policies, 6,144 of a managed policy and 2,048 of
// a trust policy, without white space; names have 64.
func TestRoleQuotas(t *testing.T) {
	for name, s := range map[string]stack{
		"bootstrap": deploy(t, templates.Bootstrap, nil),
		"FARGATE":   deploy(t, templates.Identity, longest(map[string]string{"NodeType": "FARGATE"})),
		// The most that a request may ask for: ten ARNs, each of an account of its own, with 1,000 characters together.
		"Trust": deploy(t, templates.Identity, longest(map[string]string{
			"NodeType":                  "FARGATE",
			"ClusterAdminTrust":         strings.TrimSuffix(strings.Repeat("arn:aws:iam::222222222222:role/"+strings.Repeat("r", 69)+",", 10), ","),
			"ClusterAdminTrustAccounts": strings.TrimSuffix(strings.Repeat("arn:aws:iam::222222222222:root,", 10), ","),
		})),
		"MANAGED": deploy(t, templates.Identity, longest(map[string]string{"NodeType": "MANAGED", "AssumableRoles": strings.Repeat("a", 2048)})),
		"egress":  deploy(t, templates.Egress, outward(3, longest(nil))),
		"add-ons": deploy(t, templates.AddonRoles, longest(map[string]string{
			"NodeType": "MANAGED", "Issuer": issuer, "OidcProviderArn": "arn:aws:iam::222222222222:oidc-provider/" + issuer,
		})),
	} {
		for id, policy := range s.resources() {
			if policy.Type != "AWS::IAM::ManagedPolicy" {
				continue
			}
			raw, err := json.Marshal(policy.Properties["PolicyDocument"])
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) > 5_500 { // room for the names of longer regions and partitions
				t.Errorf("%s: %s: %d characters, which is near to the 6,144 that IAM takes", name, id, len(raw))
			}
		}
		for id, role := range roles(s) {
			if _, size := inline(t, role); size > 10_240 {
				t.Errorf("%s: %s: inline policies of %d characters, IAM takes 10,240", name, id, size)
			}
			trust, err := json.Marshal(role.Properties["AssumeRolePolicyDocument"])
			if err != nil {
				t.Fatal(err)
			}
			if len(trust) > 2_048 {
				t.Errorf("%s: %s: trust policy of %d characters, IAM takes 2,048", name, id, len(trust))
			}
			if roleName, _ := role.Properties["RoleName"].(string); len(roleName) > 64 || roleName == "" {
				t.Errorf("%s: %s: role name %q", name, id, roleName)
			}
		}
	}
}

// Who may assume which role, and nobody else. Where an account is the principal, it is for one role of
// it, which may be deleted and made again: a role as principal would be kept by its unique id.
func TestTrust(t *testing.T) {
	service := func(name string) any { return map[string]any{"Service": name} }
	aws := func(arn string) any { return map[string]any{"AWS": arn} }
	platform := aws("arn:aws:iam::111111111111:root")
	cases := map[string]struct {
		reason string
		values map[string]string
		want   map[string]any
	}{
		"FARGATE": {
			reason: "without a supplied administrator one is made, which only the kubectl function may assume",
			values: map[string]string{"NodeType": "FARGATE"},
			want: map[string]any{
				"OperationsRole":   platform,
				"ProvisioningRole": platform,
				"ControlPlaneRole": service("eks.amazonaws.com"),
				"KubectlRole":      service("lambda.amazonaws.com"),
				"AdminRole":        aws("{KubectlRole.Arn}"),
				"PodExecutionRole": service("eks-fargate-pods.amazonaws.com"),
			},
		},
		"MANAGED": {
			reason: "nodes and Fargate pods never share a role, and a supplied administrator is not ours",
			values: map[string]string{"NodeType": "MANAGED", "ClusterAdminRole": "arn:aws:iam::222222222222:role/mine"},
			want: map[string]any{
				"OperationsRole":   platform,
				"ProvisioningRole": platform,
				"ControlPlaneRole": service("eks.amazonaws.com"),
				"KubectlRole":      service("lambda.amazonaws.com"),
				"NodeRole":         service("ec2.amazonaws.com"),
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]any{}
			allowed := map[string]map[string]any{
				"OperationsRole":   {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/platform"},
				"ProvisioningRole": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/ci/pipeline"},
			}
			for id, role := range roles(deploy(t, templates.Identity, longest(tc.values))) {
				trust := statements(t, role.Properties["AssumeRolePolicyDocument"])
				if len(trust) != 1 || !slices.Equal(trust[0].Action, []string{"sts:AssumeRole"}) {
					t.Errorf("%s: got %v, want one statement for sts:AssumeRole", id, trust)
					continue
				}
				got[id] = trust[0].Principal
				if diff := cmp.Diff(allowed[id], trust[0].Condition["ArnEquals"]); diff != "" {
					t.Errorf("%s: condition (-want +got):\n%s", id, diff)
				}
				if arn, _ := trust[0].Principal.(map[string]any)["AWS"].(string); strings.HasSuffix(arn, ":root") && allowed[id] == nil {
					t.Errorf("%s: trusts %s as a whole", id, arn)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: principals (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Whoever the request names may become the administrator, by way of the accounts, and the function still.
func TestClusterAdminTrust(t *testing.T) {
	const operators, admin = "arn:aws:iam::222222222222:role/operators", "arn:aws:iam::333333333333:user/admin"
	s := deploy(t, templates.Identity, longest(map[string]string{
		"NodeType": "FARGATE", "ClusterAdminTrust": operators + "," + admin,
		"ClusterAdminTrustAccounts": "arn:aws:iam::222222222222:root,arn:aws:iam::333333333333:root",
	}))
	want := []statement{
		{Effect: "Allow", Principal: map[string]any{"AWS": "{KubectlRole.Arn}"}, Action: []string{"sts:AssumeRole"}},
		{
			Sid: "Operators", Effect: "Allow", Action: []string{"sts:AssumeRole"},
			Principal: map[string]any{"AWS": []any{"arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"}},
			Condition: map[string]map[string]any{"ArnEquals": {"aws:PrincipalArn": []any{operators, admin}}},
		},
	}
	if diff := cmp.Diff(want, statements(t, s.resources()["AdminRole"].Properties["AssumeRolePolicyDocument"])); diff != "" {
		t.Errorf("trust policy (-want +got):\n%s", diff)
	}
}

// An organization that demands a boundary demands it of every role, and one that does not gets none.
func TestPermissionsBoundary(t *testing.T) {
	const boundary = "arn:aws:iam::222222222222:policy/boundary"
	for name, body := range all() {
		for _, nodeType := range []string{"FARGATE", "MANAGED"} {
			for _, arn := range []string{boundary, ""} {
				var want any
				if arn != "" {
					want = arn
				}
				for id, role := range roles(deploy(t, body, outward(3, map[string]string{"NodeType": nodeType, "PermissionsBoundary": arn}))) {
					if got := role.Properties["PermissionsBoundary"]; got != want {
						t.Errorf("%s: %s has the boundary %v with %q", name, id, got, arn)
					}
				}
			}
		}
	}
}

// The roles that the function may assume are what stands between a caller and the account.
func TestKubectlRole(t *testing.T) {
	own := "arn:aws:iam::222222222222:role/opa-dev-*"
	applications := "arn:aws:iam::222222222222:role/*-eks-resources-*"
	cases := map[string]struct {
		reason string
		values map[string]string
		want   []string
	}{
		"plain": {
			reason: "the environment's own roles and those of applications",
			want:   []string{own, applications},
		},
		"supplied": {
			reason: "and what the request names",
			values: map[string]string{"ClusterAdminRole": "arn:aws:iam::222222222222:role/mine", "AssumableRoles": "arn:a,arn:b"},
			want:   []string{own, applications, "arn:aws:iam::222222222222:role/mine", "arn:a", "arn:b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{"Prefix": "opa", "Name": "dev", "NodeType": "FARGATE"}
			maps.Copy(values, tc.values)
			list, _ := inline(t, deploy(t, templates.Identity, values).resources()["KubectlRole"])
			var assumable, clusters []string
			for _, s := range list {
				switch {
				case slices.Equal(s.Action, []string{"sts:AssumeRole"}):
					assumable = append(assumable, texts(s.Resource)...)
				case slices.Contains(s.Action, "eks:DescribeCluster"):
					clusters = append(clusters, texts(s.Resource)...)
				}
			}
			// The function checks the same list itself.
			names := environment.Names{Environment: "opa-dev"}
			request := environment.Request{AccountID: "222222222222", ClusterAdminRole: tc.values["ClusterAdminRole"]}
			if more := tc.values["AssumableRoles"]; more != "" {
				request.AssumableRoles = strings.Split(more, ",")
			}
			if diff := cmp.Diff(deploykubectl.AssumableRoles(environment.State{Request: request, Names: names}), assumable); diff != "" {
				t.Errorf("%s: roles that the function checks for (-function +policy):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want, assumable); diff != "" {
				t.Errorf("%s: assumable roles (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff([]string{"arn:aws:eks:us-east-1:222222222222:cluster/opa-dev-cluster"}, clusters); diff != "" {
				t.Errorf("clusters (-want +got):\n%s", diff)
			}
		})
	}
}

// What the function needs to read charts from Amazon ECR and, if the request has one there, from S3.
func TestKubectlRoleReadsCharts(t *testing.T) {
	registry := map[string][]string{
		"ecr:GetAuthorizationToken":        {"*"},
		"ecr:BatchGetImage":                {"arn:aws:ecr:*:*:repository/*"},
		"ecr:GetDownloadUrlForLayer":       {"arn:aws:ecr:*:*:repository/*"},
		"ecr-public:GetAuthorizationToken": {"*"},
		"sts:GetServiceBearerToken":        {"*"},
	}
	cases := map[string]struct {
		reason, object string
		want           map[string][]string
	}{
		"Elsewhere": {"no object, no right in S3", "", registry},
		"S3":        {"one object and no other", "charts/a/controller.zip", merged([]map[string][]string{registry, {"s3:GetObject": {"arn:aws:s3:::charts/a/controller.zip"}}})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			list, _ := inline(t, deploy(t, templates.Identity, longest(map[string]string{"NodeType": "FARGATE", "ChartObject": tc.object})).resources()["KubectlRole"])
			got := map[string][]string{}
			for _, s := range list {
				for _, action := range s.Action {
					if service, _, _ := strings.Cut(action, ":"); strings.HasPrefix(service, "ecr") || service == "s3" || action == "sts:GetServiceBearerToken" {
						got[action] = append(got[action], texts(s.Resource)...)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Keys have no names, and roles of other owners may end like ours: what changes them asks for the
// environments' tag. Reading, and what is done before a key's tags are sure to be known, does not.
func TestServiceRoleChangesOnlyWhatIsTagged(t *testing.T) {
	free := []string{
		"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoleTags",
		"kms:CreateAlias", "kms:CreateGrant", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:Encrypt",
		"kms:GenerateDataKey*", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags", "kms:ReEncrypt*",
	}
	var got []string
	for _, s := range service(t) {
		_, owned := s.Condition["Null"]["aws:ResourceTag/eks-environment"]
		_, made := s.Condition["Null"]["aws:RequestTag/eks-environment"]
		for _, action := range s.Action {
			change := strings.HasPrefix(action, "kms:") && s.Sid != "Aliases" || strings.HasPrefix(action, "iam:") && strings.HasSuffix(s.Sid, "Roles") && s.Sid != "PassRoles" && !strings.Contains(s.Sid, "ServiceLinked")
			if change && !owned && !made {
				got = append(got, action)
			}
			if made && !slices.Contains([]string{"iam:CreateRole", "iam:TagRole", "kms:CreateKey", "kms:TagResource"}, action) {
				t.Errorf("%s: %s is no making, so it has no tag in its request", s.Sid, action)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(free, got); diff != "" {
		t.Errorf("actions without a tag (-want +got):\n%s", diff)
	}
}

// KMS makes no key whose maker it cannot see to be allowed to change the key's policy, and the service role is
// allowed to by a tag, which KMS may not know for five minutes
// (https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html).
func TestKeysAreMadeWithoutLockoutCheck(t *testing.T) {
	keys := 0
	for id, r := range deploy(t, templates.Identity, longest(map[string]string{"NodeType": "FARGATE"})).resources() {
		if r.Type != "AWS::KMS::Key" {
			continue
		}
		keys++
		if r.Properties["BypassPolicyLockoutSafetyCheck"] != true {
			t.Errorf("%s: BypassPolicyLockoutSafetyCheck is %v", id, r.Properties["BypassPolicyLockoutSafetyCheck"])
		}
	}
	if keys != 2 {
		t.Errorf("%d keys, want those of the audit table and the secrets", keys)
	}
}

// texts is a string or a list of strings as a list.
func texts(v any) []string {
	if text, ok := v.(string); ok {
		return []string{text}
	}
	var list []string
	for _, element := range v.([]any) {
		list = append(list, element.(string))
	}
	return list
}

// Both roles of Harmonix may invoke the one function and write the one table; in Harmonix' own
// template the table's ARN lacks "table/" and the function's is a prefix.
func TestHarmonixRoles(t *testing.T) {
	s := deploy(t, templates.Identity, map[string]string{"Prefix": "opa", "Name": "dev", "NodeType": "FARGATE"})
	for _, id := range []string{"OperationsRole", "ProvisioningRole"} {
		role := s.resources()[id]
		list, _ := inline(t, role)
		granted := map[string][]string{}
		for _, s := range list {
			for _, action := range s.Action {
				granted[action] = append(granted[action], texts(s.Resource)...)
			}
		}
		function := []string{"arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-dev-kubectl"}
		if diff := cmp.Diff(function, granted["lambda:InvokeFunction"]); diff != "" {
			t.Errorf("%s: lambda:InvokeFunction (-want +got):\n%s", id, diff)
		}
		if !slices.Contains(granted["dynamodb:PutItem"], "{AuditTable.Arn}") {
			t.Errorf("%s: dynamodb:PutItem on %v", id, granted["dynamodb:PutItem"])
		}
		if got := role.Properties["MaxSessionDuration"]; got != 43200.0 {
			t.Errorf("%s: MaxSessionDuration %v, want 43200", id, got)
		}
	}
}

// Applications make security groups in the environment's VPC only: in one that is there already by its id, since
// its tags are not ours, and in one that is made beside the roles by its name.
func TestHarmonixRolesMakeGroupsInTheVPC(t *testing.T) {
	vpcs := "arn:aws:ec2:us-east-1:222222222222:vpc/"
	cases := map[string]struct {
		vpc       string
		resource  string
		condition map[string]map[string]any
	}{
		"Own":      {"", vpcs + "*", map[string]map[string]any{"StringEquals": {"aws:ResourceTag/Name": "opa-dev"}}},
		"Existing": {"vpc-1", vpcs + "vpc-1", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, templates.Identity, map[string]string{"Prefix": "opa", "Name": "dev", "NodeType": "FARGATE", "VpcId": tc.vpc})
			for _, id := range []string{"OperationsRole", "ProvisioningRole"} {
				list, _ := inline(t, s.resources()[id])
				list = slices.DeleteFunc(list, func(s statement) bool {
					return !slices.ContainsFunc(s.Action, func(a string) bool { return a == "ec2:CreateSecurityGroup" || a == "ec2:*" }) ||
						slices.Equal(texts(s.Resource), []string{"arn:aws:ec2:us-east-1:222222222222:security-group/*"})
				})
				if len(list) != 1 {
					t.Fatalf("%s: %d statements on VPCs, want 1: %v", id, len(list), list)
				}
				if diff := cmp.Diff([]string{tc.resource}, texts(list[0].Resource)); diff != "" {
					t.Errorf("%s: VPC (-want +got):\n%s", id, diff)
				}
				if diff := cmp.Diff(tc.condition, list[0].Condition); diff != "" {
					t.Errorf("%s: condition (-want +got):\n%s", id, diff)
				}
			}
		})
	}
}

// Every statement on "*" is listed, so that a new one is a decision.
func TestWildcards(t *testing.T) {
	known := map[string][]string{
		"ServiceRole": {"CreateKeys", "DescribeParameters", "Egress", "LaunchTemplates", "ListAliases", "ListOIDCProviders", "Network", "ReadLogPolicies", "ReadNetwork"},
		// The controller's authors' own policy.
		"LoadBalancerControllerRole": {"Create", "CreateListeners", "Integrations", "Listeners", "LoadBalancers", "Network", "Own", "Rules", "ServiceLinkedRole"},
		"OperationsRole":             {"Read"},
		"ProvisioningRole":           {"LoadBalancers", "Read"},
		"KubectlRole":                {"NetworkInterfaces", "PublicRegistryBearer", "PublicRegistryToken", "RegistryToken"},
		"AdminRole":                  {"ListClusters"},
	}
	got := map[string][]string{}
	for _, s := range []stack{
		deploy(t, templates.Bootstrap, nil),
		deploy(t, templates.Identity, map[string]string{"NodeType": "FARGATE"}),
		deploy(t, templates.Identity, map[string]string{"NodeType": "MANAGED"}),
		deploy(t, templates.Egress, outward(3, nil)),
		deploy(t, templates.AddonRoles, map[string]string{"NodeType": "MANAGED"}),
	} {
		for id, role := range roles(s) {
			list, _ := inline(t, role)
			if id == "ServiceRole" {
				list = service(t)
			}
			for _, s := range list {
				if s.Effect == "Allow" && slices.Contains(texts(s.Resource), "*") && !slices.Contains(got[id], s.Sid) {
					got[id] = append(got[id], s.Sid)
				}
				if slices.Contains(s.Action, "*") {
					t.Errorf("%s: %s allows every action", id, s.Sid)
				}
			}
			slices.Sort(got[id])
		}
	}
	maps.DeleteFunc(got, func(_ string, sids []string) bool { return len(sids) == 0 })
	if diff := cmp.Diff(known, got); diff != "" {
		t.Errorf("statements on \"*\" (-want +got):\n%s", diff)
	}
}

func TestServiceRole(t *testing.T) {
	list := service(t)
	granted := map[string]statement{}
	for _, s := range list {
		for _, action := range s.Action {
			granted[action] = s
		}
	}
	// Row 1.50: without it CloudFormation does not wait for the interfaces of a deleted function.
	// Row 1.59: EKS and DynamoDB make their grants with the caller's permissions.
	for _, action := range []string{"ec2:DescribeNetworkInterfaces", "kms:CreateGrant", "kms:DescribeKey", "iam:CreateServiceLinkedRole"} {
		if _, ok := granted[action]; !ok {
			t.Errorf("the service role lacks %s", action)
		}
	}
	passed := granted["iam:PassRole"]
	if slices.Contains(texts(passed.Resource), "*") || passed.Condition["StringEquals"]["iam:PassedToService"] == nil {
		t.Errorf("iam:PassRole is not limited to the environment's roles and to services: %+v", passed)
	}
	// The service role passes and makes every role of an environment, and no other.
	for _, s := range []stack{
		deploy(t, templates.Identity, longest(map[string]string{"NodeType": "FARGATE"})),
		deploy(t, templates.Identity, longest(map[string]string{"NodeType": "MANAGED"})),
		deploy(t, templates.Egress, outward(3, longest(nil))),
		deploy(t, templates.AddonRoles, longest(map[string]string{"NodeType": "MANAGED"})),
	} {
		for id, role := range roles(s) {
			name, _ := role.Properties["RoleName"].(string)
			covered := slices.ContainsFunc(texts(passed.Resource), func(arn string) bool {
				_, suffix, _ := strings.Cut(arn, ":role/*")
				return suffix != "" && strings.HasSuffix(name, suffix)
			})
			if !covered {
				t.Errorf("%s: %s is not among the roles that the service role makes and passes", id, name)
			}
		}
	}
}
