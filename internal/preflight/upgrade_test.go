package preflight

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// freeAddresses are the free addresses of subnets by their ids.
type freeAddresses map[string]int32

func (f freeAddresses) DescribeSubnets(_ context.Context, in *ec2.DescribeSubnetsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	out := &ec2.DescribeSubnetsOutput{}
	for _, id := range in.SubnetIds {
		out.Subnets = append(out.Subnets, types.Subnet{SubnetId: aws.String(id), AvailableIpAddressCount: aws.Int32(f[id])})
	}
	return out, nil
}

func TestRoomToUpgrade(t *testing.T) {
	full := freeAddresses{"subnet-a": 1, "subnet-b": 3}
	cases := map[string]struct {
		reason string
		live   string
		free   freeAddresses
		says   string
	}{
		"Room":    {reason: "five in all of them", live: "1.35", free: freeAddresses{"subnet-a": 5}},
		"Full":    {reason: "four are not enough", live: "1.35", free: full, says: "4 free addresses together (subnet-a 1, subnet-b 3)"},
		"Same":    {reason: "no upgrade", live: "1.36", free: full},
		"Nothing": {reason: "no cluster", free: full},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := environment.Request{Prefix: "opa", Name: "dev", KubernetesVersion: "1.36"}
			s := subject{request: r, names: environment.NamesOf(r), live: tc.live, stacks: map[string]stack.Description{}}
			s.stacks[s.names.NetworkStack] = stack.Description{Outputs: map[string]string{"PublicSubnetIds": "subnet-a", "PrivateSubnetIds": "subnet-b"}}
			found, err := lookForRoom(t.Context(), tc.free, s)
			if err != nil || len(found) > 1 || (len(found) == 1) != (tc.says != "") {
				t.Fatalf("%s: found %v, %v", tc.reason, found, err)
			}
			if len(found) == 1 && (found[0].Code != "AddressesMissing" || found[0].Severity != "warning" || !strings.Contains(found[0].Found, tc.says)) {
				t.Errorf("%s: %v", tc.reason, found)
			}
		})
	}
}
