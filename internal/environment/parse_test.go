package environment_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// valid is a request that every test changes in one place.
func valid() map[string]any {
	return map[string]any{
		"name":             "development",
		"prefix":           "opa",
		"awsAccountID":     "222222222222",
		"awsRegion":        "us-east-1",
		"environmentRole":  "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole",
		"vpcConfiguration": "create_new",
		"apiAccess":        "public_and_private",
		"nodeType":         "MANAGED",
	}
}

// with returns the valid request with changes; a nil change removes the field.
func with(changes map[string]any) []byte {
	r := valid()
	for k, v := range changes {
		if v == nil {
			delete(r, k)
		} else {
			r[k] = v
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestParseRefuses(t *testing.T) {
	many := map[string]any{}
	for i := range 41 {
		many[fmt.Sprint("k", i)] = "v"
	}
	long := map[string]any{}
	for i := range 40 {
		long[fmt.Sprintf("%0104d", i)] = strings.Repeat("v", 256)
	}
	null := json.RawMessage("null")
	cases := map[string]struct {
		reason string
		change map[string]any
		want   []string
	}{
		"UnknownField": {
			reason: "the nearest known name is proposed",
			change: map[string]any{"awsRegoin": "us-east-1"},
			want:   []string{`/awsRegoin: got an unknown field`, `did you mean "awsRegion"?`},
		},
		"UnknownFieldByPart": {
			reason: "a part of a known name is found too",
			change: map[string]any{"accountId": "222222222222"},
			want:   []string{`/accountId: got an unknown field`, `did you mean "awsAccountID"?`},
		},
		"UnknownFieldWithoutNeighbour": {
			reason: "without a near name all names are listed",
			change: map[string]any{"zzzzzzzzzzz": 1},
			want:   []string{`/zzzzzzzzzzz: got an unknown field, allowed: amiType, apiAccess,`},
		},
		"FieldInOtherCase": {
			reason: "encoding/json would take it, the contract does not",
			change: map[string]any{"nodetype": "FARGATE"},
			want:   []string{`/nodetype: got an unknown field`, `did you mean "nodeType"?`},
		},
		"Missing":       {"a required field is named with what it may be", map[string]any{"nodeType": nil}, []string{`/nodeType: got nothing, allowed: one of "MANAGED", "FARGATE"`}},
		"EmptyRequired": {"an empty required field is missing", map[string]any{"name": ""}, []string{`/name: got nothing`}},
		"Null":          {"null is no value", map[string]any{"cidr": null}, []string{`/cidr: got null, allowed:`, `leave the field out`}},
		"WrongType":     {"an object where a string belongs", map[string]any{"owner": map[string]any{"a": 1}}, []string{`/owner: got an object, allowed: string`}},
		"AccountAsNumber": {
			"a number loses leading zeros", map[string]any{"awsAccountID": 222222222222},
			[]string{`/awsAccountID: got the number 222222222222, allowed: a string such as "222222222222"`, `quotation marks`},
		},
		"SizeAsString":      {"forms send strings", map[string]any{"nodeGroupMinSize": "1"}, []string{`/nodeGroupMinSize: got "1", allowed: an integer from 0 to 1000; send the number 1 without quotation marks`}},
		"SizeNotWhole":      {"half a node", map[string]any{"nodeGroupMinSize": 1.5}, []string{`/nodeGroupMinSize: got the number 1.5`}},
		"SizeHuge":          {"a number of a million digits must not be computed with", map[string]any{"nodeGroupMinSize": json.RawMessage("1e999999999")}, []string{`/nodeGroupMinSize: got the number`}},
		"SizesOutOfOrder":   {"min above max", map[string]any{"nodeGroupMinSize": 3, "nodeGroupMaxSize": 2}, []string{`/nodeGroupDesiredSize: got min 3, desired 3, max 2, allowed: min ≤ desired ≤ max`}},
		"SizeNegative":      {"below zero", map[string]any{"nodeGroupMaxSize": -1}, []string{`/nodeGroupMaxSize: got the number -1, allowed: an integer from 0 to 1000`}},
		"DiskTooSmall":      {"images need room", map[string]any{"nodeGroupDiskSize": 8}, []string{`/nodeGroupDiskSize: got the number 8, allowed: an integer from 20 to 16384`}},
		"NameCapitals":      {"capitals are refused with the corrected value", map[string]any{"name": "Development"}, []string{`/name: got "Development"`, `did you mean "development"?`}},
		"NameSpaces":        {"spaces vanish as in Harmonix", map[string]any{"name": "my env"}, []string{`did you mean "myenv"?`}},
		"NameUnderscore":    {"underscores become hyphens", map[string]any{"prefix": "_opa_eks"}, []string{`/prefix: got "_opa_eks"`, `did you mean "opa-eks"?`}},
		"NameOnlySigns":     {"nothing is left to propose", map[string]any{"name": "___"}, []string{`/name: got "___", allowed: lower-case letters`}},
		"NamesTooLong":      {"the longest role name decides", map[string]any{"name": strings.Repeat("n", 34)}, []string{`/name: got 37 characters in prefix and name together, allowed: at most 36`}},
		"PrefixReserved":    {"SSM reserves aws and ssm", map[string]any{"prefix": "aws-eks"}, []string{`/prefix: got "aws-eks"`, `SSM reserves`}},
		"AccountHyphens":    {"the console shows hyphens", map[string]any{"awsAccountID": "2222-2222-2222"}, []string{`/awsAccountID: got "2222-2222-2222", allowed: 12 digits; did you mean "222222222222"?`}},
		"AccountShort":      {"eleven digits", map[string]any{"awsAccountID": "22222222222"}, []string{`/awsAccountID: got "22222222222", allowed: 12 digits`}},
		"Region":            {"unknown region with its neighbour", map[string]any{"awsRegion": "us-east-3"}, []string{`/awsRegion: got "us-east-3", allowed: one of "us-east-1"`, `did you mean "us-east-1"?`}},
		"RegionGovCloud":    {"not in the contract", map[string]any{"awsRegion": "us-gov-west-1"}, []string{`/awsRegion: got "us-gov-west-1"`}},
		"CIDRHostBits":      {"the corrected block is said", map[string]any{"cidr": "10.0.0.7/24"}, []string{`/cidr: got "10.0.0.7/24"`, `did you mean "10.0.0.0/24"?`}},
		"CIDRTooSmall":      {"no room for load balancers", map[string]any{"cidr": "10.0.0.0/28"}, []string{`/cidr: got "10.0.0.0/28", allowed: an IPv4 block of /16 to /24`, `did you mean "10.0.0.0/24"?`}},
		"CIDRTooLarge":      {"AWS stops at /16", map[string]any{"cidr": "10.0.0.0/8"}, []string{`did you mean "10.0.0.0/16"?`}},
		"CIDRWithoutPrefix": {"an address is no block", map[string]any{"cidr": "10.1.2.3"}, []string{`/cidr: got "10.1.2.3"`, `did you mean "10.1.2.0/24"?`}},
		"CIDRNonsense":      {"octets above 255", map[string]any{"cidr": "10.0.0.300/24"}, []string{`/cidr: got "10.0.0.300/24"`}},
		"CIDRLeadingZero":   {"not canonical", map[string]any{"cidr": "10.00.0.0/24"}, []string{`/cidr: got "10.00.0.0/24"`}},
		"CIDR6":             {"IPv6", map[string]any{"cidr": "fd00::/24"}, []string{`/cidr: got "fd00::/24"`}},
		"CIDRPublic":        {"foreign addresses", map[string]any{"cidr": "8.8.0.0/16"}, []string{`/cidr: got "8.8.0.0/16", allowed: a block within 10.0.0.0/8`}},
		"ARNNonsense":       {"a bare name is completed", map[string]any{"environmentRole": "Deployer"}, []string{`/environmentRole: got "Deployer"`, `did you mean "arn:aws:iam::222222222222:role/Deployer"?`}},
		"ARNSession": {
			"GetCallerIdentity prints sessions", map[string]any{"environmentRole": "arn:aws:sts::222222222222:assumed-role/Deployer/me"},
			[]string{`this is a session; did you mean "arn:aws:iam::222222222222:role/Deployer"`},
		},
		"ARNUser":           {"a user cannot be assumed", map[string]any{"platformRole": "arn:aws:iam::111111111111:user/me"}, []string{`/platformRole: got "arn:aws:iam::111111111111:user/me", allowed: the ARN of an IAM role`}},
		"ARNOtherAccount":   {"the environment role is in the target", map[string]any{"environmentRole": "arn:aws:iam::333333333333:role/r"}, []string{`/environmentRole: got "arn:aws:iam::333333333333:role/r", allowed: a role in the target account 222222222222`}},
		"AdminOtherAccount": {"and so is the admin role", map[string]any{"clusterAdminRole": "arn:aws:iam::333333333333:role/r"}, []string{`/clusterAdminRole: got`, `target account 222222222222`}},
		"AssumableRole":     {"the entry is pointed at", map[string]any{"assumableRoles": []string{"arn:aws:iam::222222222222:role/ok", "no"}}, []string{`/assumableRoles/1: got "no"`}},
		"AssumableLength":   {"the function has them in its environment", map[string]any{"assumableRoles": slices.Repeat([]string{"arn:aws:iam::222222222222:role/" + strings.Repeat("r", 64) + "/" + strings.Repeat("r", 10)}, 20)}, []string{`/assumableRoles: got 2139 characters in all ARNs together, allowed: at most 2000`}},
		"AssumableComma":    {"the list is separated by them", map[string]any{"assumableRoles": []string{"arn:aws:iam::222222222222:role/a,b"}}, []string{`/assumableRoles/0: got "arn:aws:iam::222222222222:role/a,b", allowed: the ARN of a role without commas in it`}},
		"AssumableRoleType": {"of the wrong type", map[string]any{"assumableRoles": []any{7}}, []string{`/assumableRoles/0: got the number 7`}},
		"Boundary":          {"a bare name is completed", map[string]any{"permissionsBoundary": "workloads"}, []string{`/permissionsBoundary: got "workloads"`, `did you mean "arn:aws:iam::222222222222:policy/workloads"?`}},
		"BoundaryRole":      {"a role is no policy", map[string]any{"permissionsBoundary": "arn:aws:iam::222222222222:role/r"}, []string{`/permissionsBoundary: got "arn:aws:iam::222222222222:role/r", allowed: the ARN of a managed policy`}},
		"BoundaryElsewhere": {"IAM takes policies of the same account", map[string]any{"permissionsBoundary": "arn:aws:iam::333333333333:policy/p"}, []string{`/permissionsBoundary: got`, `allowed: a policy of the target account 222222222222, or one of AWS`}},
		"TrustRoot":         {"not everybody", map[string]any{"clusterAdminTrust": []any{"arn:aws:iam::222222222222:role/ok", "arn:aws:iam::222222222222:root"}}, []string{`/clusterAdminTrust/1: got "arn:aws:iam::222222222222:root"`, `name the roles of the account`}},
		"TrustWildcard":     {"a condition on ARNs would take it for a pattern", map[string]any{"clusterAdminTrust": []any{"arn:aws:iam::222222222222:role/*"}}, []string{`/clusterAdminTrust/0: got "arn:aws:iam::222222222222:role/*"`, `without wildcards and commas`}},
		"TrustComma":        {"it separates the entries of a list parameter", map[string]any{"clusterAdminTrust": []any{"arn:aws:iam::222222222222:role/a,b"}}, []string{`/clusterAdminTrust/0: got`}},
		"TrustSession": {
			"GetCallerIdentity prints sessions", map[string]any{"clusterAdminTrust": []any{"arn:aws:sts::222222222222:assumed-role/operators/me"}},
			[]string{`/clusterAdminTrust/0: `, `did you mean "arn:aws:iam::222222222222:role/operators"`},
		},
		"TrustLong": {
			"the trust policy has an end", map[string]any{"clusterAdminTrust": []any{
				"arn:aws:iam::222222222222:role/" + strings.Repeat("a/", 200) + "r", "arn:aws:iam::222222222222:role/" + strings.Repeat("b/", 300) + "r",
			}},
			[]string{`/clusterAdminTrust: got 1064 characters in all ARNs together, allowed: at most 1000`},
		},
		"TrustMany": {"ten", map[string]any{"clusterAdminTrust": []any{
			"arn:aws:iam::222222222222:role/a", "arn:aws:iam::222222222222:role/b", "arn:aws:iam::222222222222:role/c", "arn:aws:iam::222222222222:role/d",
			"arn:aws:iam::222222222222:role/e", "arn:aws:iam::222222222222:role/f", "arn:aws:iam::222222222222:role/g", "arn:aws:iam::222222222222:role/h",
			"arn:aws:iam::222222222222:role/i", "arn:aws:iam::222222222222:role/j", "arn:aws:iam::222222222222:role/k",
		}}, []string{`/clusterAdminTrust: got 11 entries, allowed: at most 10`}},
		"TrustSupplied": {
			"a role of one's own has a trust policy of its own",
			map[string]any{"clusterAdminRole": "arn:aws:iam::222222222222:role/mine", "clusterAdminTrust": []any{"arn:aws:iam::222222222222:role/a"}},
			[]string{`/clusterAdminTrust: got a trust with the clusterAdminRole "arn:aws:iam::222222222222:role/mine"`, `change the trust policy of your own role`},
		},
		"VersionNumber":     {"1.30 arrives as 1.3", map[string]any{"kubernetesVersion": 1.30}, []string{`/kubernetesVersion: got the number 1.3, allowed: a minor version as a string, such as "1.36"; send it in quotation marks`}},
		"VersionPatch":      {"EKS knows minors", map[string]any{"kubernetesVersion": "v1.36.2"}, []string{`did you mean "1.36"?`}},
		"AMIUnknown":        {"unknown type with its neighbour", map[string]any{"amiType": "BOTTLEROCKET_X86_64"}, []string{`/amiType: got "BOTTLEROCKET_X86_64", allowed: one of`, `did you mean "BOTTLEROCKET_x86_64"?`}},
		"AL2":               {"no images for the default version", map[string]any{"amiType": "AL2_x86_64"}, []string{`/amiType: got "AL2_x86_64" with Kubernetes 1.36, allowed: AL2023_…`}},
		"ArmInstance":       {"the default image is for other processors", map[string]any{"instanceType": "m7g.large"}, []string{`/instanceType: got "m7g.large", which has arm64 processors, with amiType "AL2023_x86_64_STANDARD"`, `amiType "AL2023_ARM_64_STANDARD" fits`}},
		"ArmImage":          {"the default instance type has other processors", map[string]any{"amiType": "BOTTLEROCKET_ARM_64"}, []string{`/instanceType: got "m5.large", which has x86_64 processors, with amiType "BOTTLEROCKET_ARM_64"`, `amiType "BOTTLEROCKET_x86_64" fits`}},
		"ArmAmong":          {"each type of a list", map[string]any{"instanceTypes": []any{"m5.large", "m7g.large"}}, []string{`/instanceTypes/1: got "m7g.large", which has arm64 processors, with amiType "AL2023_x86_64_STANDARD"`}},
		"ArmAll":            {"a whole list of the other kind", map[string]any{"instanceTypes": []any{"m6g.large", "m7g.large"}}, []string{`/instanceTypes/0: got "m6g.large"`, `amiType "AL2023_ARM_64_STANDARD" fits`}},
		"TypesTwice":        {"both fields", map[string]any{"instanceType": "m5.large", "instanceTypes": []any{"m5.large", "m6i.large"}}, []string{`/instanceTypes: got "m5.large", "m6i.large" beside instanceType "m5.large"`, `leave instanceType out`}},
		"TypesNone":         {"an empty list says nothing", map[string]any{"instanceTypes": []any{}}, []string{`/instanceTypes: got 0 entries, allowed: at least 1, or leave the field out`}},
		"TypesForm":         {"no dot", map[string]any{"instanceTypes": []any{"large"}}, []string{`/instanceTypes/0: got "large"`}},
		"NVIDIA":            {"drivers without their device", map[string]any{"amiType": "AL2023_x86_64_NVIDIA"}, []string{`/amiType: got "AL2023_x86_64_NVIDIA" with the instance type "m5.large"`, `NVIDIA GPU`}},
		"NVIDIARadeon":      {"a GPU of another maker", map[string]any{"amiType": "BOTTLEROCKET_x86_64_NVIDIA", "instanceTypes": []any{"g5.xlarge", "g4ad.xlarge"}}, []string{`/amiType: got "BOTTLEROCKET_x86_64_NVIDIA" with the instance type "g4ad.xlarge"`}},
		"Neuron":            {"drivers without their device", map[string]any{"amiType": "AL2023_x86_64_NEURON", "instanceType": "g5.xlarge"}, []string{`/amiType: got "AL2023_x86_64_NEURON" with the instance type "g5.xlarge"`, `inf2.xlarge`}},
		"Windows":           {"known to EKS, not made here", map[string]any{"amiType": "WINDOWS_CORE_2022_x86_64"}, []string{`/amiType: got "WINDOWS_CORE_2022_x86_64", allowed: AL2023_… or BOTTLEROCKET_…: CoreDNS`}},
		"CustomImage":       {"likewise", map[string]any{"amiType": "CUSTOM"}, []string{`/amiType: got "CUSTOM"`, `user data`}},
		"Capacity":          {"as EC2 spells it", map[string]any{"capacityType": "spot"}, []string{`/capacityType: got "spot", allowed: one of "ON_DEMAND", "SPOT"`, `did you mean "SPOT"?`}},
		"LabelReserved":     {"EKS has its own", map[string]any{"nodeLabels": map[string]any{"eks.amazonaws.com/team": "a"}}, []string{`/nodeLabels/eks.amazonaws.com~1team: got the key`, `which EKS reserves`}},
		"LabelRestricted":   {"the kubelet would not start", map[string]any{"nodeLabels": map[string]any{"node-role.kubernetes.io/worker": "a"}}, []string{`/nodeLabels/node-role.kubernetes.io~1worker: got the key`, `only node.kubernetes.io and kubelet.kubernetes.io`}},
		"LabelForm":         {"spaces", map[string]any{"nodeLabels": map[string]any{"a b": "c"}}, []string{`/nodeLabels/a b: got the key "a b"`}},
		"LabelValue":        {"Kubernetes' own characters", map[string]any{"nodeLabels": map[string]any{"a": "b/c"}}, []string{`/nodeLabels/a: got "b/c", allowed: 1 to 63 letters`}},
		"LabelEmpty":        {"EKS takes no empty value", map[string]any{"nodeLabels": map[string]any{"a": ""}}, []string{`/nodeLabels/a: got ""`}},
		"LabelType":         {"a number", map[string]any{"nodeLabels": map[string]any{"a": 1}}, []string{`/nodeLabels/a: got the number 1, allowed: string`}},
		"TaintEffect":       {"as Kubernetes spells it", map[string]any{"nodeTaints": []any{map[string]any{"key": "a", "effect": "NoSchedule"}}}, []string{`/nodeTaints/0/effect: got "NoSchedule", allowed: one of "NO_SCHEDULE"`, `did you mean "NO_SCHEDULE"?`}},
		"TaintKey":          {"of EKS", map[string]any{"nodeTaints": []any{map[string]any{"key": "eks.amazonaws.com/x", "effect": "NO_SCHEDULE"}}}, []string{`/nodeTaints/0/key: got "eks.amazonaws.com/x"`}},
		"TaintValue":        {"Kubernetes' own characters", map[string]any{"nodeTaints": []any{map[string]any{"key": "a", "value": "b c", "effect": "NO_SCHEDULE"}}}, []string{`/nodeTaints/0/value: got "b c"`}},
		"TaintTwice":        {"one key and effect", map[string]any{"nodeTaints": []any{map[string]any{"key": "a", "value": "b", "effect": "NO_EXECUTE"}, map[string]any{"key": "a", "value": "c", "effect": "NO_EXECUTE"}}}, []string{`/nodeTaints/1: got a second taint with the key "a" and the effect NO_EXECUTE`}},
		"TaintLess":         {"a field within a field", map[string]any{"nodeTaints": []any{map[string]any{"key": "a"}}}, []string{`/nodeTaints/0/effect: got nothing, allowed: one of "NO_SCHEDULE"`}},
		"TaintMore":         {"an unknown one there", map[string]any{"nodeTaints": []any{map[string]any{"keys": "a", "key": "a", "effect": "NO_SCHEDULE"}}}, []string{`/nodeTaints/0/keys: got an unknown field`, `did you mean "key"?`}},
		"TaintNothing":      {"no object", map[string]any{"nodeTaints": []any{"a=b:NoSchedule"}}, []string{`/nodeTaints/0`}},
		"UpdateTwice":       {"a number or a percentage", map[string]any{"nodeUpdate": map[string]any{"maxUnavailable": 1, "maxUnavailablePercentage": 20}}, []string{`/nodeUpdate: got maxUnavailable and maxUnavailablePercentage`}},
		"UpdateMuch":        {"above a hundred", map[string]any{"nodeUpdate": map[string]any{"maxUnavailablePercentage": 101}}, []string{`/nodeUpdate/maxUnavailablePercentage: got the number 101, allowed: an integer from 1 to 100`}},
		"SelectorSystem":    {"CoreDNS needs a place", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "kube-system", "labels": map[string]any{"k8s-app": "kube-dns"}}, map[string]any{"namespace": "team-*"}}}, []string{`/fargateSelectors: got no selector that takes every pod of kube-system`, `add {"namespace": "kube-system"}`}},
		"SelectorForm":      {"no namespace", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "*"}, map[string]any{"namespace": "Team"}}}, []string{`/fargateSelectors/1/namespace: got "Team"`}},
		"SelectorLabel":     {"no pod has it", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "*"}, map[string]any{"namespace": "a", "labels": map[string]any{"a b": "c"}}}}, []string{`/fargateSelectors/1/labels/a b: got the label "a b=c"`}},
		"SelectorEmpty":     {"CloudFormation takes no empty value", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "*"}, map[string]any{"namespace": "a", "labels": map[string]any{"a": ""}}}}, []string{`/fargateSelectors/1/labels/a: got the label "a="`}},
		"SelectorKeyLong":   {"CloudFormation takes 127 characters", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "*"}, map[string]any{"namespace": "a", "labels": map[string]any{strings.Repeat("a.", 63) + "b/c": "d"}}}}, []string{`/fargateSelectors/1/labels/a.`, `a key of at most 127 characters`}},
		"SelectorsMany":     {"EKS takes five", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "*"}, map[string]any{"namespace": "a"}, map[string]any{"namespace": "b"}, map[string]any{"namespace": "c"}, map[string]any{"namespace": "d"}, map[string]any{"namespace": "e"}}}, []string{`/fargateSelectors: got 6 entries, allowed: at most 5`}},
		"TagsLong":          {"the template has an end", map[string]any{"tags": long}, []string{`/tags: got 14400 bytes in all keys and values together, allowed: at most 12000`}},
		"NATGateways":       {"one or one per zone", map[string]any{"natGateways": "none"}, []string{`/natGateways: got "none", allowed: one of "single", "perAz"`}},
		"Endpoint":          {"a service without an endpoint of ours", map[string]any{"interfaceEndpoints": []any{"sts", "ecr-api"}}, []string{`/interfaceEndpoints/1: got "ecr-api", allowed: one of "ec2"`, `did you mean "ecr.api"?`}},
		"EndpointTwice":     {"a service counts once", map[string]any{"interfaceEndpoints": []any{"sts", "sts"}}, []string{`/interfaceEndpoints: got`}},
		"AL2Explicit":       {"nor for 1.33", map[string]any{"amiType": "AL2_ARM_64", "kubernetesVersion": "1.33"}, []string{`/amiType: got "AL2_ARM_64" with Kubernetes 1.33`}},
		"InstanceType":      {"no dot", map[string]any{"instanceType": "large"}, []string{`/instanceType: got "large", allowed: a string such as "m5.large", "t3.medium"`}},
		"APIAccess":         {"there is no public only", map[string]any{"apiAccess": "public"}, []string{`/apiAccess: got "public", allowed: one of "private", "public_and_private"`}},
		"AccessCIDRPrivate": {"a private API has no public blocks", map[string]any{"apiAccess": "private", "apiAccessCidrs": "0.0.0.0/0"}, []string{`/apiAccessCidrs: got "0.0.0.0/0" with apiAccess "private"`}},
		"AccessCIDRs": {
			"each wrong block is said", map[string]any{"apiAccessCidrs": "203.0.113.0/24, 1.2.3.4,198.51.100.7/24,10.0.0.0/8"},
			[]string{`did you mean "1.2.3.4/32"?`, `did you mean "198.51.100.0/24"?`, `got "10.0.0.0/8", allowed: public IPv4 blocks`},
		},
		"AccessCIDRsNone": {"only commas", map[string]any{"apiAccessCidrs": " , "}, []string{`/apiAccessCidrs: got 0 blocks`}},
		"VPCNotUsed":      {"a VPC beside create_new", map[string]any{"vpcId": "vpc-0123456789abcdef0"}, []string{`/vpcId: got "vpc-0123456789abcdef0" with vpcConfiguration "create_new"`}},
		"ExistingWithoutVPC": {
			"the form does not ask for it", map[string]any{"vpcConfiguration": "use_existing"},
			[]string{`/vpcId: got nothing with vpcConfiguration "use_existing", allowed: a string such as "vpc-0123456789abcdef0"`},
		},
		"ExistingVPCForm": {"not an id", map[string]any{"vpcConfiguration": "use_existing", "vpcId": "my-vpc"}, []string{`/vpcId: got "my-vpc", allowed: a string such as "vpc-0123456789abcdef0"`}},
		"ExistingGateways": {
			"gateways are the VPC's own", map[string]any{"vpcConfiguration": "use_existing", "vpcId": "vpc-01234567", "natGateways": "single"},
			[]string{`/natGateways: got "single" with vpcConfiguration "use_existing", allowed: nothing`},
		},
		"SubnetsOfNewVPC":   {"they are still to be made", map[string]any{"subnetIds": []any{"subnet-01234567", "subnet-89abcdef"}}, []string{`/subnetIds: got an array with vpcConfiguration "create_new"`}},
		"TagsOfNewVPC":      {"they are always there", map[string]any{"tagSubnets": true}, []string{`/tagSubnets: got the boolean true with vpcConfiguration "create_new"`}},
		"SubnetForm":        {"not an id", map[string]any{"vpcConfiguration": "use_existing", "vpcId": "vpc-01234567", "subnetIds": []any{"subnet-01234567", "us-east-1a"}}, []string{`/subnetIds/1: got "us-east-1a"`}},
		"SubnetAlone":       {"a cluster needs two", map[string]any{"vpcConfiguration": "use_existing", "vpcId": "vpc-01234567", "subnetIds": []any{"subnet-01234567"}}, []string{`/subnetIds: got`}},
		"ImageForm":         {"without a repository", map[string]any{"images": map[string]any{"loadBalancerController": "latest"}}, []string{`/images/loadBalancerController: got "latest"`}},
		"ImageUntagged":     {"Fluent Bit has no chart with a tag", map[string]any{"nodeType": "MANAGED", "images": map[string]any{"fluentBit": "r.example.com/fluent-bit"}}, []string{`/images/fluentBit: got "r.example.com/fluent-bit"`}},
		"ImageOnFargate":    {"nothing would run it", map[string]any{"nodeType": "FARGATE", "images": map[string]any{"fluentBit": "r.example.com/fluent-bit:1"}}, []string{`/images/fluentBit: got "r.example.com/fluent-bit:1" with nodeType "FARGATE"`}},
		"Operation":         {"not known", map[string]any{"operation": "aply"}, []string{`/operation: got "aply", allowed: one of "apply"`, `did you mean "apply"?`}},
		"TagsTooMany":       {"AWS stops at 50 and the provider has its own", map[string]any{"tags": many}, []string{`/tags: got 41 entries, allowed: at most 40`}},
		"TagReserved":       {"aws: is AWS'", map[string]any{"tags": map[string]any{"AWS:x": "y"}}, []string{`/tags/AWS:x: got the key "AWS:x", allowed: keys that do not begin with aws:`}},
		"TagKeyLong":        {"128 characters", map[string]any{"tags": map[string]any{strings.Repeat("k", 129): "y"}}, []string{`allowed: keys of 1 to 128 characters`}},
		"TagValueLong":      {"256 characters", map[string]any{"tags": map[string]any{"a/b": strings.Repeat("v", 257)}}, []string{`/tags/a~1b: got 257 characters, allowed: at most 256 characters`}},
		"TagValueEmpty":     {"CloudFormation asks for a character (API_Tag)", map[string]any{"tags": map[string]any{"k": ""}}, []string{`/tags/k: got the key "k" without a value, allowed: values of 1 to 256 characters`}},
		"TagValueType":      {"numbers are no tags", map[string]any{"tags": map[string]any{"k": 1}}, []string{`/tags/k: got the number 1, allowed: string`}},
		"TagText":           {"what IAM refuses", map[string]any{"tags": map[string]any{"k": "a;b"}}, []string{`/tags/k: got the key "k" with "a;b"`}},
		"TagOfProvider":     {"IAM takes it for the provider's own key, and refuses every role", map[string]any{"tags": map[string]any{"EKS-Environment": "a"}}, []string{`/tags/EKS-Environment: got the key "EKS-Environment", allowed: keys other than eks-environment, which the provider puts on everything itself`}},
		"TagCase":           {"what IAM takes for one key", map[string]any{"tags": map[string]any{"Team": "a", "team": "b"}}, []string{`/tags/team: got the key "team" beside "Team"`}},
		"ExternalIDShort":   {"STS asks for two characters", map[string]any{"externalId": "x"}, []string{`/externalId: got 1 characters`}},
		"RepositoryLength":  {"a stack's parameter holds 4,096 bytes", map[string]any{"chart": map[string]any{"repository": "s3://b/" + strings.Repeat("k", 1018)}}, []string{`/chart/repository: got 1025 characters, allowed: at most 1024`}},
		"ChartVersionLong":  {"a tag of an OCI registry has 128", map[string]any{"chart": map[string]any{"version": "1.2.3-" + strings.Repeat("a", 123)}}, []string{`/chart/version: got 129 characters, allowed: at most 128`}},
		"DescriptionLength": {"an output holds 1,024", map[string]any{"env_description": strings.Repeat("d", 1025)}, []string{`/env_description: got 1025 characters, allowed: at most 1024`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := environment.Parse(with(tc.change))
			if !errors.Is(err, &fault.Error{Code: fault.InvalidRequest}) {
				t.Fatalf("%s: Parse: got error %v, want InvalidRequest", tc.reason, err)
			}
			f := fault.As(err)
			for _, want := range tc.want {
				if !strings.Contains(f.Message, want) {
					t.Errorf("%s: the message lacks %q:\n%s", tc.reason, want, f.Message)
				}
			}
			if f.Field == "" || !strings.Contains(f.Message, "- "+f.Field+": ") {
				t.Errorf("%s: field %q is not in the message:\n%s", tc.reason, f.Field, f.Message)
			}
		})
	}
}

func TestParseUnreadable(t *testing.T) {
	cases := map[string]struct {
		reason, raw, want string
	}{
		"Nothing":   {"no input", "", "nothing arrived"},
		"Null":      {"an execution input of null", "null", "null arrived as request"},
		"Array":     {"a list of requests", "[{}]", "an array arrived as request"},
		"String":    {"any text", `"apply"`, "a string arrived as request"},
		"Number":    {"any number", `1e999999999`, "a number arrived as request"},
		"Cut":       {"half a document", `{"name": "a"`, "it ends after 12 bytes"},
		"NoJSON":    {"YAML", "name: a", "the request is no JSON, near byte"},
		"Two":       {"two documents", `{} {}`, "the request goes on after its JSON value"},
		"Envelope":  {"a rule without InputPath", `{"detail-type": "x", "detail": {}}`, "a whole EventBridge event arrived"},
		"TooLarge":  {"beyond 200 KiB", `{"name": "` + strings.Repeat("n", 210<<10) + `"}`, "allowed are 204800"},
		"EmptyBody": {"every required field is named", "{}", "8 things are wrong"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := environment.Parse([]byte(tc.raw))
			if !errors.Is(err, &fault.Error{Code: fault.InvalidRequest}) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: Parse: got %v, want InvalidRequest with %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestParseListsEverything(t *testing.T) {
	_, err := environment.Parse(with(map[string]any{
		"name": "Dev", "cidr": "10.0.0.7/24", "awsRegion": "mars-1", "nodeTyp": "MANAGED", "environmentRole": nil, "nodeGroupMinSize": "1",
	}))
	want := `InvalidRequest: 6 things are wrong with the request; nothing was created:
- /awsRegion: got "mars-1", allowed: one of "us-east-1", "us-east-2", "us-west-1", "us-west-2", "af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-south-1", "ap-northeast-3", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-south-1", "eu-west-3", "eu-south-2", "eu-north-1", "eu-central-2", "me-south-1", "me-central-1", "sa-east-1"
- /cidr: got "10.0.0.7/24", allowed: an IPv4 block of /16 to /24 such as "10.0.0.0/24", without bits behind the prefix; did you mean "10.0.0.0/24"?
- /environmentRole: got nothing, allowed: a string such as "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole"
- /name: got "Dev", allowed: lower-case letters, digits and hyphens, a letter or digit first and last; did you mean "dev"?
- /nodeGroupMinSize: got "1", allowed: an integer from 0 to 1000; send the number 1 without quotation marks
- /nodeTyp: got an unknown field, allowed: the fields of the schema; did you mean "nodeType"?`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("Parse: -want, +got:\n%s", diff)
	}
}

func TestParseNeverRepeatsTheExternalID(t *testing.T) {
	for _, value := range []any{"top secret", "s3cret\n", 987654321, []string{"s3cret"}, strings.Repeat("s3cret", 300)} {
		_, err := environment.Parse(with(map[string]any{"externalId": value}))
		if err == nil {
			t.Errorf("Parse: got no error for %v", value)
		} else if strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "98765") {
			t.Errorf("Parse: the external id is in the message: %v", err)
		}
	}
}

func TestParseBoundsItsMessage(t *testing.T) {
	r := valid()
	for i := range 5000 {
		r[fmt.Sprintf("<unknown>\n%d", i)] = "x"
	}
	_, err := environment.Parse(with(r))
	message, _ := json.Marshal(fault.As(err).Message)
	if len(message) > 12_000 {
		t.Errorf("the message has %d bytes as JSON", len(message))
	}
	if !strings.Contains(string(message), "… and ") {
		t.Errorf("the message does not say that it is cut: %s", message)
	}
}

func TestParseAccepts(t *testing.T) {
	base := environment.Request{
		Name: "development", Prefix: "opa", AccountID: "222222222222", Region: "us-east-1",
		EnvironmentRole:  "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole",
		VPCConfiguration: "create_new", APIAccess: "public_and_private", NodeType: "MANAGED",
	}
	cases := map[string]struct {
		reason string
		change map[string]any
		want   func(*environment.Request)
	}{
		"Least": {"the required fields alone", nil, func(*environment.Request) {}},
		"Empty": {
			"the Harmonix form sends empty strings and zeros",
			map[string]any{"vpcId": "", "clusterAdminRole": "", "apiAccessCidrs": "", "instanceType": "", "amiType": "", "nodeGroupMinSize": 0},
			func(*environment.Request) {},
		},
		"WholeFloat": {"2.0 is an integer", map[string]any{"nodeGroupMaxSize": json.RawMessage("2.0")}, func(r *environment.Request) { r.NodeGroupMaxSize = 2 }},
		"Boundary": {
			"36 characters in prefix and name", map[string]any{"name": strings.Repeat("n", 33)},
			func(r *environment.Request) { r.Name = strings.Repeat("n", 33) },
		},
		"OldAL2": {
			"AL2 up to 1.32", map[string]any{"amiType": "AL2_x86_64", "kubernetesVersion": "1.32"},
			func(r *environment.Request) { r.AMIType, r.KubernetesVersion = "AL2_x86_64", "1.32" },
		},
		"FargateIgnoresNodes": {
			"node fields mean nothing with Fargate", map[string]any{"nodeType": "FARGATE", "amiType": "AL2_x86_64", "nodeGroupMinSize": 5, "nodeGroupMaxSize": 1},
			func(r *environment.Request) {
				r.NodeType, r.AMIType, r.NodeGroupMinSize, r.NodeGroupMaxSize = "FARGATE", "AL2_x86_64", 5, 1
			},
		},
		"RolePath": {
			"roles may have paths", map[string]any{"environmentRole": "arn:aws:iam::222222222222:role/team/sub/deployer"},
			func(r *environment.Request) { r.EnvironmentRole = "arn:aws:iam::222222222222:role/team/sub/deployer" },
		},
		"Bounded": {
			"a boundary of AWS, or of the account, with a path", map[string]any{"permissionsBoundary": "arn:aws:iam::222222222222:policy/org/boundary"},
			func(r *environment.Request) { r.PermissionsBoundary = "arn:aws:iam::222222222222:policy/org/boundary" },
		},
		"AWSBoundary": {
			"AWS has some", map[string]any{"permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess"},
			func(r *environment.Request) { r.PermissionsBoundary = "arn:aws:iam::aws:policy/PowerUserAccess" },
		},
		"Trust": {
			"roles and users of any account, as single sign-on makes them",
			map[string]any{"clusterAdminTrust": []any{"arn:aws:iam::333333333333:user/a", "arn:aws:iam::222222222222:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"}},
			func(r *environment.Request) {
				r.ClusterAdminTrust = []string{"arn:aws:iam::333333333333:user/a", "arn:aws:iam::222222222222:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"}
			},
		},
		"Options": {
			"everything that a node group can have",
			map[string]any{
				"instanceType": "m7g.large", "instanceTypes": []any{"m7g.large"}, "amiType": "AL2023_ARM_64_STANDARD", "capacityType": "SPOT",
				"nodeLabels": map[string]any{"workload": "batch", "node.kubernetes.io/team": "a", "example.com/b": "c"},
				"nodeTaints": []any{map[string]any{"key": "a", "effect": "NO_SCHEDULE"}, map[string]any{"key": "a", "value": "b", "effect": "NO_EXECUTE"}},
				"nodeUpdate": map[string]any{"maxUnavailablePercentage": 33},
			},
			func(r *environment.Request) {
				r.InstanceType, r.InstanceTypes, r.AMIType, r.CapacityType = "m7g.large", []string{"m7g.large"}, "AL2023_ARM_64_STANDARD", "SPOT"
				r.NodeLabels = map[string]string{"workload": "batch", "node.kubernetes.io/team": "a", "example.com/b": "c"}
				r.NodeTaints = []environment.Taint{{Key: "a", Effect: "NO_SCHEDULE"}, {Key: "a", Value: "b", Effect: "NO_EXECUTE"}}
				r.NodeUpdate = environment.NodeUpdate{MaxUnavailablePercentage: 33}
			},
		},
		"Accelerators": {
			"an image with the drivers of its devices", map[string]any{"instanceTypes": []any{"g5g.xlarge"}, "amiType": "AL2023_ARM_64_NVIDIA"},
			func(r *environment.Request) {
				r.InstanceTypes, r.AMIType = []string{"g5g.xlarge"}, "AL2023_ARM_64_NVIDIA"
			},
		},
		"Selectors": {
			"wildcards", map[string]any{"nodeType": "FARGATE", "fargateSelectors": []any{map[string]any{"namespace": "kube-*"}, map[string]any{"namespace": "team-?", "labels": map[string]any{"tier": "web*"}}}},
			func(r *environment.Request) {
				r.NodeType = "FARGATE"
				r.FargateSelectors = []environment.FargateSelector{{Namespace: "kube-*"}, {Namespace: "team-?", Labels: map[string]string{"tier": "web*"}}}
			},
		},
		"CarrierGrade": {"100.64.0.0/10", map[string]any{"cidr": "100.64.0.0/16"}, func(r *environment.Request) { r.CIDR = "100.64.0.0/16" }},
		"Tags": {
			"letters of any script", map[string]any{"tags": map[string]any{"kosten stelle": "Küche/1"}},
			func(r *environment.Request) { r.Tags = map[string]string{"kosten stelle": "Küche/1"} },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := base
			tc.want(&want)
			got, err := environment.Parse(with(tc.change))
			if err != nil {
				t.Fatalf("%s: Parse: %v", tc.reason, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: Parse: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../docs/examples/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d examples, want 4 or more (%v)", len(files), err)
	}
	environments, blocks := map[string]string{}, map[string]string{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := environment.Parse(raw)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			r = r.WithDefaults()
			if r.Operation == environment.OperationDelete {
				return // that of another example
			}
			// One of the two is empty.
			for what, seen := range map[string]map[string]string{r.Prefix + "-" + r.Name: environments, r.CIDR + r.VPCID: blocks} {
				if other, ok := seen[what]; ok {
					t.Errorf("%s is also in %s", what, other)
				}
				seen[what] = file
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(with(nil))
	f.Add([]byte("null"))
	f.Add([]byte(`{"name":1e400000,"tags":{"a":[[[]]]},"assumableRoles":[{}],"cidr":"::/0","apiAccessCidrs":"1.1.1.1/33,,"}`))
	for field := range maps.Keys(valid()) {
		f.Add(with(map[string]any{field: []any{nil}}))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := environment.Parse(raw)
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Code != fault.InvalidRequest || fe.Message == "" {
				t.Fatalf("Parse: got %v, want InvalidRequest with a message", err)
			}
			if len(fe.Message) > 30<<10 {
				t.Fatalf("the message has %d bytes", len(fe.Message))
			}
			return
		}
		filled := r.WithDefaults()
		again, err := json.Marshal(filled)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := environment.Parse(again); err != nil {
			t.Fatalf("the request with its defaults is refused: %v", err)
		}
		filled.Warnings()
		environment.NamesOf(filled)
	})
}
