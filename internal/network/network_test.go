package network

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

var (
	_ zoneAPI          = (*ec2.Client)(nil)
	_ describer        = (*stack.Engine)(nil)
	_ target.Connector = (*account.Connector)(nil)
)

// The /24 is divided as Harmonix divides it: six /27, public first (harmonix-contract.md, section 2.3).
func TestParameters(t *testing.T) {
	cases := map[string]struct {
		reason string
		cidr   string
		zones  []string
		want   map[string]string
		code   fault.Code
	}{
		"ThreeZones": {
			reason: "Harmonix' own division", cidr: "10.0.0.0/24", zones: []string{"a", "b", "c"},
			want: map[string]string{
				"Prefix": "opa", "Name": "dev", "VpcCidr": "10.0.0.0/24", "AvailabilityZones": "a,b,c", "ZoneCount": "3",
				"PublicSubnetCidrs": "10.0.0.0/27,10.0.0.32/27,10.0.0.64/27", "PrivateSubnetCidrs": "10.0.0.96/27,10.0.0.128/27,10.0.0.160/27",
			},
		},
		"TwoZones": {
			reason: "a region in which EKS takes two", cidr: "10.0.0.0/24", zones: []string{"a", "b"},
			want: map[string]string{
				"Prefix": "opa", "Name": "dev", "VpcCidr": "10.0.0.0/24", "AvailabilityZones": "a,b", "ZoneCount": "2",
				"PublicSubnetCidrs": "10.0.0.0/26,10.0.0.64/26", "PrivateSubnetCidrs": "10.0.0.128/26,10.0.0.192/26",
			},
		},
		"NoBlock":  {reason: "a field that preflight should have refused", cidr: "10.0.0", zones: []string{"a", "b"}, code: "InvalidRequest"},
		"HostBits": {reason: "as above", cidr: "10.0.0.1/24", zones: []string{"a", "b"}, code: "InvalidRequest"},
		"TooSmall": {reason: "as above", cidr: "10.0.0.0/28", zones: []string{"a", "b"}, code: "InvalidRequest"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parameters(environment.Request{Prefix: "opa", Name: "dev", CIDR: tc.cidr}, tc.zones)
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if err != nil && fault.As(err).Field != "/cidr" {
				t.Errorf("%s: blames %q", tc.reason, fault.As(err).Field)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// zones are pairs of a zone's name and id, in the order in which EC2 lists them.
type zones struct {
	t    *testing.T
	list [][2]string
	err  error
}

func (z zones) DescribeAvailabilityZones(_ context.Context, in *ec2.DescribeAvailabilityZonesInput, _ ...func(*ec2.Options)) (*ec2.DescribeAvailabilityZonesOutput, error) {
	filters := map[string][]string{}
	for _, f := range in.Filters {
		filters[aws.ToString(f.Name)] = f.Values
	}
	want := map[string][]string{"state": {"available"}, "zone-type": {"availability-zone"}}
	if diff := cmp.Diff(want, filters); diff != "" {
		z.t.Errorf("filters: local zones and zones that are off carry no cluster (-want +got):\n%s", diff)
	}
	var found []types.AvailabilityZone
	for _, pair := range z.list {
		found = append(found, types.AvailabilityZone{ZoneName: &pair[0], ZoneId: &pair[1]})
	}
	return &ec2.DescribeAvailabilityZonesOutput{AvailabilityZones: found}, z.err
}

func TestZonesOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		list   [][2]string
		err    error
		want   []string
		code   fault.Code
	}{
		"ById": {
			reason: "names mean another place in each account, ids do not",
			list:   [][2]string{{"us-east-1a", "use1-az6"}, {"us-east-1b", "use1-az1"}, {"us-east-1c", "use1-az4"}, {"us-east-1d", "use1-az2"}},
			want:   []string{"us-east-1b", "us-east-1d", "us-east-1c"},
		},
		"Virginia": {
			reason: "EKS takes no use1-az3",
			list:   [][2]string{{"us-east-1a", "use1-az3"}, {"us-east-1b", "use1-az4"}, {"us-east-1c", "use1-az5"}},
			want:   []string{"us-east-1b", "us-east-1c"},
		},
		"California": {
			reason: "nor usw1-az2, and one zone is not enough", list: [][2]string{{"us-west-1a", "usw1-az1"}, {"us-west-1b", "usw1-az2"}}, code: "PreflightFailed",
		},
		"Canada": {
			reason: "nor cac1-az3",
			list:   [][2]string{{"ca-central-1a", "cac1-az1"}, {"ca-central-1b", "cac1-az2"}, {"ca-central-1d", "cac1-az3"}, {"ca-central-1e", "cac1-az4"}},
			want:   []string{"ca-central-1a", "ca-central-1b", "ca-central-1e"},
		},
		"Tokyo": {
			reason: "Fargate takes no apne1-az3",
			list:   [][2]string{{"ap-northeast-1a", "apne1-az4"}, {"ap-northeast-1b", "apne1-az3"}, {"ap-northeast-1c", "apne1-az1"}, {"ap-northeast-1d", "apne1-az2"}},
			want:   []string{"ap-northeast-1c", "ap-northeast-1d", "ap-northeast-1a"},
		},
		"Two":       {reason: "two are enough", list: [][2]string{{"x-1a", "x-az2"}, {"x-1b", "x-az1"}}, want: []string{"x-1b", "x-1a"}},
		"One":       {reason: "a control plane stands in two zones", list: [][2]string{{"x-1a", "x-az1"}}, code: "PreflightFailed"},
		"None":      {reason: "as above", code: "PreflightFailed"},
		"Throttled": {reason: "the error keeps its class", err: &smithy.GenericAPIError{Code: "RequestLimitExceeded"}, code: "Throttled"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Zones(t.Context(), zones{t: t, list: tc.list, err: tc.err}, "x-1")
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

type existing struct {
	parameters map[string]string
	found      bool
	err        error
}

func (e existing) Describe(context.Context, string) (stack.Description, bool, error) {
	return stack.Description{Parameters: e.parameters}, e.found, e.err
}

func TestChosenZones(t *testing.T) {
	broken := errors.New("broken")
	cases := map[string]struct {
		reason string
		stack  existing
		want   []string
		err    error
	}{
		"New":      {reason: "nothing is chosen yet", stack: existing{}},
		"Chosen":   {reason: "the subnets stay where they are, also out of order", stack: existing{found: true, parameters: map[string]string{"AvailabilityZones": "c,a"}}, want: []string{"c", "a"}},
		"Reviewed": {reason: "a stack without parameters has chosen nothing", stack: existing{found: true}},
		"Broken":   {reason: "an unknown choice must not be made anew", stack: existing{err: broken}, err: broken},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := chosenZones(t.Context(), tc.stack, "s")
			if !errors.Is(err, tc.err) {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
