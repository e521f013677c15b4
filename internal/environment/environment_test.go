package environment_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/statemachine"
)

func TestNamesOf(t *testing.T) {
	// Transcribed from harmonix-contract.md, sections 2.9 and 8.3, and the design's decision 11.
	want := environment.Names{
		Environment:     "opa-development",
		UniqueID:        "134e7143",
		BootstrapStack:  "EKS-ENV-Bootstrap",
		NetworkStack:    "EKS-ENV-opa-development-Network",
		IdentityStack:   "EKS-ENV-opa-development-Identity",
		ClusterStack:    "EKS-ENV-opa-development-Cluster",
		EgressStack:     "EKS-ENV-opa-development-Egress",
		KubectlStack:    "EKS-ENV-opa-development-Kubectl",
		CapacityStack:   "EKS-ENV-opa-development-Capacity",
		AddonRolesStack: "EKS-ENV-opa-development-AddonRoles",
		ProviderStack:   "EKS-ENV-opa-development-Stack",
		Cluster:         "opa-development-cluster",
		KubectlFunction: "EKS-ENV-opa-development-kubectl",
		AuditTable:      "opa-development-audit",
		ParameterPath:   "/opa/development",
		LogGroup:        "/aws/apps/opa-development",
	}
	got := environment.NamesOf(environment.Request{Name: "development", Prefix: "opa", AccountID: "222222222222", Region: "us-east-1"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("NamesOf: -want, +got:\n%s", diff)
	}
}

// The longest names that AWS limits to 64 characters, by harmonix-contract.md, section 2.5, and
// aws-traps.md, row 4.7.
func TestNamesFit(t *testing.T) {
	prefix, name := "opa", strings.Repeat("n", 33)
	if _, err := environment.Parse(with(map[string]any{"prefix": prefix, "name": name})); err != nil {
		t.Fatalf("Parse: %v", err)
	}
	for _, longest := range []string{
		"EKS-ENV-" + prefix + "-" + name + "-kubectl",
		prefix + "-" + name + "-cluster-control-plane-role",
		prefix + "-" + name + "-cluster-fluent-bit-sa-role",
	} {
		if len(longest) > 64 {
			t.Errorf("%s has %d characters", longest, len(longest))
		}
	}
}

func TestUniqueIDDiffers(t *testing.T) {
	base := environment.Request{Name: "a", Prefix: "p", AccountID: "222222222222", Region: "us-east-1"}
	seen := map[string]bool{environment.NamesOf(base).UniqueID: true}
	for _, change := range []func(*environment.Request){
		func(r *environment.Request) { r.Name = "b" },
		func(r *environment.Request) { r.Prefix = "q" },
		func(r *environment.Request) { r.AccountID = "333333333333" },
		func(r *environment.Request) { r.Region = "eu-west-1" },
	} {
		r := base
		change(&r)
		id := environment.NamesOf(r).UniqueID
		if seen[id] {
			t.Errorf("the id %s of %+v is taken", id, r)
		}
		seen[id] = true
	}
}

func TestWithDefaults(t *testing.T) {
	type request = environment.Request
	// harmonix-contract.md, section 2.6.
	everything := []environment.FargateSelector{{Namespace: "kube-system"}, {Namespace: "default"}, {Namespace: "*"}}
	cases := map[string]struct {
		reason   string
		in, want request
	}{
		"Managed": {
			"every field of a node group", request{VPCConfiguration: "create_new", APIAccess: "public_and_private", NodeType: "MANAGED"},
			request{
				Operation: "apply", OnFailure: "keep", VPCConfiguration: "create_new", CIDR: "10.0.0.0/24", NATGateways: "single", APIAccess: "public_and_private",
				APIAccessCIDRs: "0.0.0.0/0", KubernetesVersion: "1.36", NodeType: "MANAGED", InstanceType: "m5.large",
				InstanceTypes: []string{"m5.large"}, CapacityType: "ON_DEMAND", NodeUpdate: environment.NodeUpdate{MaxUnavailable: 1},
				AMIType: "AL2023_x86_64_STANDARD", NodeGroupMinSize: 1, NodeGroupDesiredSize: 1, NodeGroupMaxSize: 2, NodeGroupDiskSize: 20,
			},
		},
		"Fargate": {
			"no node fields, even if given", request{VPCConfiguration: "create_new", APIAccess: "private", NodeType: "FARGATE", NodeGroupMinSize: 7, AMIType: "AL2_x86_64"},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "create_new", CIDR: "10.0.0.0/24", NATGateways: "single", InterfaceEndpoints: environment.PrivateEndpoints(), APIAccess: "private", KubernetesVersion: "1.36", NodeType: "FARGATE", FargateSelectors: everything},
		},
		"Selectors": {
			"those of the request", request{VPCConfiguration: "use_existing", APIAccess: "private", NodeType: "FARGATE", FargateSelectors: everything[:1], NodeTaints: []environment.Taint{{Key: "a"}}, NodeLabels: map[string]string{"a": "b"}, InstanceTypes: []string{"m5.large"}, CapacityType: "SPOT", NodeUpdate: environment.NodeUpdate{MaxUnavailable: 3}},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "use_existing", APIAccess: "private", KubernetesVersion: "1.36", NodeType: "FARGATE", FargateSelectors: everything[:1]},
		},
		"Options": {
			"several types leave Harmonix' field empty, and a percentage the number", request{VPCConfiguration: "use_existing", APIAccess: "private", NodeType: "MANAGED", InstanceTypes: []string{"m7g.large", "m6g.large"}, AMIType: "BOTTLEROCKET_ARM_64", CapacityType: "SPOT", NodeUpdate: environment.NodeUpdate{MaxUnavailablePercentage: 50}, FargateSelectors: everything},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "use_existing", APIAccess: "private", KubernetesVersion: "1.36", NodeType: "MANAGED", InstanceTypes: []string{"m7g.large", "m6g.large"}, AMIType: "BOTTLEROCKET_ARM_64", CapacityType: "SPOT", NodeGroupMinSize: 1, NodeGroupDesiredSize: 1, NodeGroupMaxSize: 2, NodeGroupDiskSize: 20, NodeUpdate: environment.NodeUpdate{MaxUnavailablePercentage: 50}},
		},
		"Existing": {
			"no gateways in a VPC that is not ours, and endpoints only when they are named", request{VPCConfiguration: "use_existing", VPCID: "vpc-01234567", CIDR: "10.0.0.0/24", APIAccess: "private", NodeType: "FARGATE"},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "use_existing", VPCID: "vpc-01234567", APIAccess: "private", KubernetesVersion: "1.36", NodeType: "FARGATE", FargateSelectors: everything},
		},
		"ExistingChosen": {
			"what is named for an existing VPC stays", request{VPCConfiguration: "use_existing", VPCID: "vpc-01234567", SubnetIDs: []string{"subnet-1", "subnet-2"}, TagSubnets: true, InterfaceEndpoints: []string{"sts"}, APIAccess: "private", NodeType: "FARGATE"},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "use_existing", VPCID: "vpc-01234567", SubnetIDs: []string{"subnet-1", "subnet-2"}, TagSubnets: true, InterfaceEndpoints: []string{"sts"}, APIAccess: "private", KubernetesVersion: "1.36", NodeType: "FARGATE", FargateSelectors: everything},
		},
		"Harmonix": {
			"what the form sends is honoured", request{Operation: "apply", VPCConfiguration: "create_new", CIDR: "10.1.0.0/16", NATGateways: "perAz", InterfaceEndpoints: []string{}, APIAccess: "private", KubernetesVersion: "1.35", NodeType: "MANAGED", InstanceType: "t3.medium", AMIType: "BOTTLEROCKET_x86_64", NodeGroupMinSize: 3, NodeGroupDiskSize: 50},
			request{Operation: "apply", OnFailure: "keep", VPCConfiguration: "create_new", CIDR: "10.1.0.0/16", NATGateways: "perAz", InterfaceEndpoints: []string{}, APIAccess: "private", KubernetesVersion: "1.35", NodeType: "MANAGED", InstanceType: "t3.medium", InstanceTypes: []string{"t3.medium"}, CapacityType: "ON_DEMAND", NodeUpdate: environment.NodeUpdate{MaxUnavailable: 1}, AMIType: "BOTTLEROCKET_x86_64", NodeGroupMinSize: 3, NodeGroupDesiredSize: 3, NodeGroupMaxSize: 3, NodeGroupDiskSize: 50},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := tc.in.WithDefaults()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: WithDefaults: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(got, got.WithDefaults()); diff != "" {
				t.Errorf("%s: WithDefaults again: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	type tc struct {
		reason string
		in     environment.Request
		want   int
	}
	cases := map[string]tc{
		"Quiet":  {"nothing to say", environment.Request{CIDR: "10.0.0.0/24", ClusterAdminRole: "arn:aws:iam::222222222222:role/admin"}, 0},
		"Docker": {"the bridge of container engines", environment.Request{CIDR: "172.17.4.0/24"}, 1},
		"Crowd":  {"endpoints take the addresses of nodes and pods", environment.Request{CIDR: "10.0.0.0/24", InterfaceEndpoints: environment.PrivateEndpoints()}, 1},
		"Space":  {"a larger block has room for them", environment.Request{CIDR: "10.0.0.0/23", InterfaceEndpoints: environment.PrivateEndpoints()}, 0},
		"Path":   {"aws-auth drops paths", environment.Request{ClusterAdminRole: "arn:aws:iam::222222222222:role/team/admin"}, 1},
	}
	managed := func(change func(*environment.Request)) environment.Request {
		r := environment.Request{NodeType: "MANAGED"}
		change(&r)
		return r.WithDefaults()
	}
	fargate := func(selectors ...environment.FargateSelector) environment.Request {
		return environment.Request{NodeType: "FARGATE", FargateSelectors: selectors}.WithDefaults()
	}
	maps.Copy(cases, map[string]tc{
		"Nodes": {"the default", managed(func(*environment.Request) {}), 0},
		"CrowdOfNodes": {"ten addresses each, in three times 27", managed(func(r *environment.Request) {
			r.VPCConfiguration, r.NodeGroupMaxSize = "create_new", 7
		}), 1},
		"RoomForNodes": {"six have room", managed(func(r *environment.Request) {
			r.VPCConfiguration, r.NodeGroupMaxSize = "create_new", 6
		}), 0},
		"LargerBlock": {"three times 123", managed(func(r *environment.Request) {
			r.VPCConfiguration, r.CIDR, r.NodeGroupMaxSize = "create_new", "10.0.0.0/23", 35
		}), 1},
		"Spot": {"one type of spot instance", managed(func(r *environment.Request) { r.CapacityType = "SPOT" }), 1},
		"Spots": {"two", managed(func(r *environment.Request) {
			r.CapacityType, r.InstanceTypes = "SPOT", []string{"m5.large", "m6i.large"}
		}), 0},
		"Taint": {"nothing else runs anywhere", managed(func(r *environment.Request) { r.NodeTaints = []environment.Taint{{Key: "a", Effect: "NO_SCHEDULE"}} }), 1},
		"Prefer": {"everything runs", managed(func(r *environment.Request) {
			r.NodeTaints = []environment.Taint{{Key: "a", Effect: "PREFER_NO_SCHEDULE"}}
		}), 0},
		"Plugin":   {"Amazon Linux has no device plugin", managed(func(r *environment.Request) { r.InstanceType, r.AMIType = "g6.xlarge", "AL2023_x86_64_NVIDIA" }), 1},
		"Built-in": {"Bottlerocket has one", managed(func(r *environment.Request) { r.InstanceType, r.AMIType = "g6.xlarge", "BOTTLEROCKET_x86_64_NVIDIA" }), 0},
		"Idle":     {"no drivers", managed(func(r *environment.Request) { r.InstanceType = "inf2.xlarge" }), 1},
		"Radeon":   {"devices that no image has drivers for", managed(func(r *environment.Request) { r.InstanceType = "g4ad.xlarge" }), 0},
		"Fargate":  {"the default", fargate(), 0},
		"Some":     {"not every namespace", fargate(environment.FargateSelector{Namespace: "kube-system"}, environment.FargateSelector{Namespace: "*", Labels: map[string]string{"a": "b"}}), 1},
	})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.in.Warnings(); len(got) != tc.want {
				t.Errorf("%s: Warnings: got %q, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

// The schema, the Go type and the defaults must say the same.
func TestSchemaAgrees(t *testing.T) {
	var schema property
	if err := json.Unmarshal(statemachine.RequestSchema, &schema); err != nil {
		t.Fatal(err)
	}
	checkForm(t, "", schema)
	defaults := toMap(t, environment.Request{VPCConfiguration: "create_new", APIAccess: "public_and_private", NodeType: "FARGATE"}.WithDefaults())
	maps.Copy(defaults, toMap(t, environment.Request{VPCConfiguration: "create_new", APIAccess: "public_and_private", NodeType: "MANAGED"}.WithDefaults()))
	// It follows from instanceType: with a default of its own in a form, another instanceType would contradict it.
	delete(defaults, "instanceTypes")
	required := map[string]bool{}
	for _, field := range schema.Required {
		required[field] = true
	}
	request := reflect.TypeFor[environment.Request]()
	for i := range request.NumField() {
		field, options, _ := strings.Cut(request.Field(i).Tag.Get("json"), ",")
		property, ok := schema.Properties[field]
		if !ok {
			t.Errorf("the schema lacks %s", field)
			continue
		}
		delete(schema.Properties, field)
		optional := options == "omitempty" || options == "omitzero"
		if required[field] == optional {
			t.Errorf("%s is required in one of type and schema only", field)
		}
		if !required[field] && !cmp.Equal(property.Default, defaults[field]) {
			t.Errorf("the default of %s is %v in the schema and %v in WithDefaults", field, property.Default, defaults[field])
		}
	}
	for field := range schema.Properties {
		t.Errorf("the type lacks %s", field)
	}
}

// property is a field of the schema.
type property struct {
	Type, Title, Description string
	Default                  any
	Enum, Examples           []any
	Required                 []string
	Properties               map[string]property
	Items                    *property
}

// checkForm looks at every field as the author of a form does: what it is called, what it is for, and
// what may be in it.
func checkForm(t *testing.T, path string, p property) {
	t.Helper()
	for name, field := range p.Properties {
		at := path + "/" + name
		if field.Title == "" || field.Description == "" || !strings.HasSuffix(field.Description, ".") {
			t.Errorf("%s has no title, or no sentence for a description", at)
		}
		if field.Type != "integer" && field.Type != "boolean" && field.Enum == nil && field.Examples == nil && field.Properties == nil {
			t.Errorf("%s has neither a list of values nor an example", at)
		}
		checkForm(t, at, field)
		if field.Items != nil {
			checkForm(t, at+"/0", *field.Items)
		}
	}
}

func TestPublicAccessCIDRs(t *testing.T) {
	got := environment.Request{APIAccessCIDRs: " 203.0.113.0/24, ,198.51.100.7/32,"}.PublicAccessCIDRs()
	if diff := cmp.Diff([]string{"203.0.113.0/24", "198.51.100.7/32"}, got); diff != "" {
		t.Errorf("PublicAccessCIDRs: -want, +got:\n%s", diff)
	}
}

func toMap(t *testing.T, r environment.Request) map[string]any {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImage(t *testing.T) {
	cases := map[string]struct{ reason, repository, tag string }{
		"222222222222.dkr.ecr.us-east-1.amazonaws.com/eks/controller:v3.5.0": {"as ECR shows it", "222222222222.dkr.ecr.us-east-1.amazonaws.com/eks/controller", "v3.5.0"},
		"registry.example.com:5000/controller":                               {"a port is no tag", "registry.example.com:5000/controller", ""},
		"registry.example.com:5000/controller:v1":                            {"a port and a tag", "registry.example.com:5000/controller", "v1"},
		"registry.example.com/controller":                                    {"the chart's own tag counts", "registry.example.com/controller", ""},
	}
	for image, tc := range cases {
		repository, tag := environment.Image(image)
		if repository != tc.repository || tag != tc.tag {
			t.Errorf("%s: %s is %q with tag %q", tc.reason, image, repository, tag)
		}
	}
}
