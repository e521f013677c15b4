package preflight

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var _ instanceAPI = (*ec2.Client)(nil)

// fakeInstances knows m5.large and the zones that have it, and some other types with theirs.
type fakeInstances struct {
	zones   []string
	some    map[string][]string
	running []types.Instance
}

func (f fakeInstances) DescribeInstanceTypes(_ context.Context, in *ec2.DescribeInstanceTypesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstanceTypesOutput, error) {
	out := &ec2.DescribeInstanceTypesOutput{}
	for _, name := range in.Filters[0].Values {
		if name == "m5.large" {
			out.InstanceTypes = append(out.InstanceTypes, m5large())
		} else if f.some[name] != nil {
			other := m5large()
			other.InstanceType = types.InstanceType(name)
			out.InstanceTypes = append(out.InstanceTypes, other)
		}
	}
	return out, nil
}

func (f fakeInstances) DescribeInstanceTypeOfferings(_ context.Context, in *ec2.DescribeInstanceTypeOfferingsInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstanceTypeOfferingsOutput, error) {
	out := &ec2.DescribeInstanceTypeOfferingsOutput{}
	for _, zone := range f.zones {
		out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, types.InstanceTypeOffering{InstanceType: "m5.large", Location: aws.String(zone)})
	}
	for name, zones := range f.some {
		for _, zone := range zones {
			out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, types.InstanceTypeOffering{InstanceType: types.InstanceType(name), Location: aws.String(zone)})
		}
	}
	return out, nil
}

func (f fakeInstances) DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	return &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{Instances: f.running}}}, nil
}

func m5large() types.InstanceTypeInfo {
	return types.InstanceTypeInfo{
		InstanceType: "m5.large", VCpuInfo: &types.VCpuInfo{DefaultVCpus: aws.Int32(2)},
		ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{"x86_64"}},
		NetworkInfo:   &types.NetworkInfo{MaximumNetworkInterfaces: aws.Int32(3), Ipv4AddressesPerInterface: aws.Int32(10)},
	}
}

func TestInstances(t *testing.T) {
	zones := []string{"a", "b"}
	instance := func(kind types.InstanceType, lifecycle types.InstanceLifecycleType, cores int32) types.Instance {
		return types.Instance{InstanceType: kind, InstanceLifecycle: lifecycle, CpuOptions: &types.CpuOptions{CoreCount: aws.Int32(cores), ThreadsPerCore: aws.Int32(2)}}
	}
	cases := map[string]struct {
		reason string
		change func(*environment.Request)
		api    fakeInstances
		live   map[string]string
		quota  float64
		want   []string
	}{
		"Fits":     {reason: "a plain request", api: fakeInstances{zones: zones}, quota: 8},
		"Fargate":  {reason: "no nodes", change: func(r *environment.Request) { r.NodeType, r.InstanceTypes = "FARGATE", nil }},
		"Unknown":  {reason: "no such type", change: func(r *environment.Request) { r.InstanceTypes = []string{"m55.large"} }, api: fakeInstances{zones: zones}, want: []string{"error InstanceTypeUnknown"}},
		"Nowhere":  {reason: "in other zones only", quota: 8, want: []string{"error InstanceTypeNotOffered"}},
		"SomeZone": {reason: "EKS refuses a group with a subnet in a zone without the type", api: fakeInstances{zones: zones[:1]}, quota: 8, want: []string{"error InstanceTypeNotOffered"}},
		"SomeType": {
			reason: "each zone has one of the types", quota: 8, want: []string{"warning InstanceTypeNotOffered"},
			change: func(r *environment.Request) { r.InstanceType, r.InstanceTypes = "", []string{"m5.large", "m6i.large"} },
			api:    fakeInstances{zones: zones, some: map[string][]string{"m6i.large": zones[:1]}},
		},
		"Standing": {
			reason: "the group is there all the same", api: fakeInstances{zones: zones[:1]}, quota: 8, want: []string{"warning InstanceTypeNotOffered"},
			live: map[string]string{"DesiredSize": "2", "InstanceType": "m5.large", "AmiType": "AL2023_x86_64_STANDARD"},
		},
		"Renewed": {
			reason: "with another type it is asked again", api: fakeInstances{zones: zones[:1]}, quota: 8, want: []string{"error InstanceTypeNotOffered"},
			live: map[string]string{"DesiredSize": "2", "InstanceType": "m5.xlarge", "AmiType": "AL2023_x86_64_STANDARD"},
		},
		"Arm":    {reason: "an image for other processors", change: func(r *environment.Request) { r.AMIType = "BOTTLEROCKET_ARM_64" }, api: fakeInstances{zones: zones}, quota: 8, want: []string{"error ArchitectureMismatch"}},
		"Neuron": {reason: "an image for devices it has not", change: func(r *environment.Request) { r.AMIType = "AL2023_x86_64_NEURON" }, api: fakeInstances{zones: zones}, quota: 8, want: []string{"error NoNeuron"}},
		"Full":   {reason: "4 vCPUs at once", api: fakeInstances{zones: zones}, quota: 3, want: []string{"error QuotaExceeded"}},
		"Near":   {reason: "8 vCPUs in the end", api: fakeInstances{zones: zones}, quota: 7, want: []string{"warning QuotaNear"}},
		"Spot": {
			reason: "Spot instances have a quota of their own", quota: 3, change: func(r *environment.Request) { r.CapacityType = "SPOT" },
			api: fakeInstances{zones: zones, running: []types.Instance{instance("t3.nano", "", 1)}},
		},
		"InUse": {
			reason: "instances of the same class count, each with its vCPUs", quota: 8, want: []string{"warning QuotaNear"},
			api: fakeInstances{zones: zones, running: []types.Instance{instance("t3.nano", "", 1), instance("p4d.24xlarge", "", 48), instance("c5.large", "spot", 9)}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := environment.Request{
				Prefix: "opa", Name: "dev", NodeType: "MANAGED", InstanceType: "m5.large", InstanceTypes: []string{"m5.large"}, CapacityType: "ON_DEMAND", AMIType: "AL2023_x86_64_STANDARD",
				NodeGroupMinSize: 1, NodeGroupDesiredSize: 2, NodeGroupMaxSize: 4,
			}
			if tc.change != nil {
				tc.change(&r)
			}
			s := subject{request: r, names: environment.NamesOf(r), zones: zones, stacks: map[string]stack.Description{}}
			if tc.live != nil {
				s.stacks[s.names.CapacityStack] = stack.Description{Parameters: tc.live}
			}
			found, err := lookAtInstances(t.Context(), tc.api, fakeQuotas{"L-1216C47A": tc.quota, "L-34B43A08": 8}, s)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, string(f.Severity)+" "+f.Code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// The classes are those of https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html.
func TestClassOf(t *testing.T) {
	for name, want := range map[string]string{
		"m5.large": "L-1216C47A", "t4g.small": "L-1216C47A", "im4gn.large": "L-1216C47A", "is4gen.medium": "L-1216C47A", "a1.large": "L-1216C47A", "c7gn.xlarge": "L-1216C47A",
		"g5.xlarge": "L-DB2E81BA", "vt1.3xlarge": "L-DB2E81BA", "p4d.24xlarge": "L-417A185B", "inf2.xlarge": "L-1945791B", "trn1.2xlarge": "L-2C3B7624",
		"x2gd.large": "L-7295265B", "f1.2xlarge": "L-74FC7D96", "dl1.24xlarge": "L-6E869C2A",
		"u-6tb1.metal": "", "mac1.metal": "", "": "",
	} {
		if got, _ := classOf(name); got.onDemand != want {
			t.Errorf("%q: got %q, want %q", name, got.onDemand, want)
		}
	}
}

func TestNewNodes(t *testing.T) {
	cases := map[string]struct {
		reason     string
		live       map[string]string
		now, later int
	}{
		"New":     {"all of them", nil, 2, 5},
		"Same":    {"they run already", map[string]string{"DesiredSize": "3", "InstanceType": "m5.large", "AmiType": "A"}, 0, 2},
		"Fewer":   {"up to the smallest number", map[string]string{"DesiredSize": "0", "InstanceType": "m5.large", "AmiType": "A"}, 1, 5},
		"Spot":    {"a second group, since the kind of capacity is the group's", map[string]string{"DesiredSize": "3", "InstanceType": "m5.large", "AmiType": "A", "CapacityType": "SPOT"}, 3, 5},
		"Image":   {"a second group beside the first", map[string]string{"DesiredSize": "3", "InstanceType": "m5.large", "AmiType": "B"}, 3, 5},
		"Several": {"the list of types is the group's too", map[string]string{"DesiredSize": "3", "InstanceTypes": "m5.large,m6i.large", "AmiType": "A"}, 3, 5},
		"Type":    {"the launch template's, so the nodes of one group are renewed one after the other", map[string]string{"DesiredSize": "3", "InstanceType": "m5.xlarge", "AmiType": "A"}, 1, 5},
		"Disk":    {"likewise, with two more nodes in each zone at once", map[string]string{"DesiredSize": "3", "InstanceType": "m5.large", "AmiType": "A", "DiskSize": "50"}, 0, 4},
		"Upgrade": {"likewise", map[string]string{"DesiredSize": "5", "InstanceType": "m5.large", "AmiType": "A", "KubernetesVersion": "1.35"}, 0, 4},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := environment.Request{Prefix: "opa", Name: "dev", InstanceType: "m5.large", InstanceTypes: []string{"m5.large"}, CapacityType: "ON_DEMAND", AMIType: "A", NodeGroupMinSize: 1, NodeGroupDesiredSize: 2, NodeGroupMaxSize: 5, NodeGroupDiskSize: 20, KubernetesVersion: "1.36"}
			s := subject{request: r, names: environment.NamesOf(r), zones: []string{"a", "b"}, stacks: map[string]stack.Description{}}
			if tc.live != nil {
				s.stacks[s.names.CapacityStack] = stack.Description{Parameters: tc.live}
			}
			if now, later := newNodes(s); now != tc.now || later != tc.later {
				t.Errorf("%s: got %d and %d, want %d and %d", tc.reason, now, later, tc.now, tc.later)
			}
		})
	}
}

func TestMaxPods(t *testing.T) {
	// https://github.com/awslabs/amazon-eks-ami, eni-max-pods.txt: m5.large 29.
	if got := maxPods(m5large()); got != 29 {
		t.Errorf("m5.large: got %d", got)
	}
	if got := maxPods(types.InstanceTypeInfo{}); got != 0 {
		t.Errorf("what is not known is no limit: got %d", got)
	}
}
