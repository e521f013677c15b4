package teardown

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// filled is a VPC with what is in it; a filter is not looked at.
type filled struct {
	networkAPI
	interfaces []types.NetworkInterface
	instances  []types.Instance
	groups     []types.SecurityGroup
	endpoints  []types.VpcEndpoint
	volumes    []types.Volume
	deleted    []string
	refuse     map[string]string
	// revoked are the rules that were taken away, "group names group".
	revoked []string
}

func (f *filled) DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: f.interfaces}, nil
}

func (f *filled) DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error) {
	return &ec2.DescribeInstancesOutput{Reservations: []types.Reservation{{Instances: f.instances}}}, nil
}

func (f *filled) DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: f.groups}, nil
}

func (f *filled) DescribeVpcEndpoints(context.Context, *ec2.DescribeVpcEndpointsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error) {
	return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: f.endpoints}, nil
}

func (f *filled) DescribeVolumes(context.Context, *ec2.DescribeVolumesInput, ...func(*ec2.Options)) (*ec2.DescribeVolumesOutput, error) {
	return &ec2.DescribeVolumesOutput{Volumes: f.volumes}, nil
}

func (f *filled) DeleteSecurityGroup(_ context.Context, in *ec2.DeleteSecurityGroupInput, _ ...func(*ec2.Options)) (*ec2.DeleteSecurityGroupOutput, error) {
	if code := f.refuse[*in.GroupId]; code != "" {
		return nil, &smithy.GenericAPIError{Code: code, Message: "no"}
	}
	f.deleted = append(f.deleted, *in.GroupId)
	return &ec2.DeleteSecurityGroupOutput{}, nil
}

// A rule that names a group is what held it.
func (f *filled) RevokeSecurityGroupIngress(_ context.Context, in *ec2.RevokeSecurityGroupIngressInput, _ ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	for _, rule := range in.IpPermissions {
		if len(rule.IpRanges) > 0 {
			f.revoked = append(f.revoked, *in.GroupId+" addresses")
		}
		for _, pair := range rule.UserIdGroupPairs {
			f.revoked = append(f.revoked, *in.GroupId+" "+*pair.GroupId)
			delete(f.refuse, *pair.GroupId)
		}
	}
	return &ec2.RevokeSecurityGroupIngressOutput{}, nil
}

func (f *filled) DeleteVpcEndpoints(_ context.Context, in *ec2.DeleteVpcEndpointsInput, _ ...func(*ec2.Options)) (*ec2.DeleteVpcEndpointsOutput, error) {
	out := &ec2.DeleteVpcEndpointsOutput{}
	for _, id := range in.VpcEndpointIds {
		if code := f.refuse[id]; code != "" {
			out.Unsuccessful = append(out.Unsuccessful, types.UnsuccessfulItem{ResourceId: &id, Error: &types.UnsuccessfulItemError{Code: &code, Message: aws.String("no")}})
		} else {
			f.deleted = append(f.deleted, id)
		}
	}
	return out, nil
}

func tagList(pairs ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return tags
}

// GuardDuty puts an endpoint and its group into a VPC by itself (row 6.14). Of a VPC of others they are
// none of ours.
func TestGuardDuty(t *testing.T) {
	vpc := aws.String("vpc-1")
	api := &filled{
		endpoints: []types.VpcEndpoint{
			{VpcEndpointId: aws.String("vpce-guard"), VpcId: vpc, Tags: tagList("GuardDutyManaged", "true")},
			{VpcEndpointId: aws.String("vpce-mine"), VpcId: vpc}, {VpcEndpointId: aws.String("vpce-stack"), VpcId: vpc},
			{VpcEndpointId: aws.String("vpce-far"), VpcId: aws.String("vpc-2"), Tags: tagList("GuardDutyManaged", "true")},
		},
		groups: []types.SecurityGroup{
			{GroupId: aws.String("sg-guard"), VpcId: vpc, Tags: tagList("GuardDutyManaged", "true")},
			{GroupId: aws.String("sg-eks"), VpcId: vpc, Tags: tagList("aws:eks:cluster-name", "opa-dev-cluster")},
			{GroupId: aws.String("sg-far"), VpcId: aws.String("vpc-2"), Tags: tagList("GuardDutyManaged", "true")},
		},
	}
	for name, tc := range map[string]struct {
		vpc  string
		want []string
	}{
		"Own":      {"vpc-1", []string{"VPC endpoint vpce-guard", "security group sg-guard", "security group sg-eks"}},
		"Existing": {"", []string{"security group sg-eks"}},
	} {
		n := network{api: api, cluster: "opa-dev-cluster", vpc: tc.vpc}
		got, err := found(t.Context(), []finder{n.endpoints, n.groups})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// EC2 answers 200 and lists what it did not delete.
	api.refuse = map[string]string{"vpce-guard": "UnauthorizedOperation"}
	s := newSweep()
	if err := s.run(t.Context(), network{api: api, vpc: "vpc-1"}.endpoints); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]environment.Leftover{{What: "VPC endpoint vpce-guard", Why: "api error UnauthorizedOperation: no"}}, s.section().Orphaned); diff != "" || len(s.section().Removed) > 0 {
		t.Errorf("what EC2 did not delete (-want +got):\n%s", diff)
	}
	foreign, err := network{api: api, vpc: "vpc-1"}.foreignEndpoints(t.Context(), holdings{names.EgressStack: {{ID: "vpce-stack", Type: "AWS::EC2::VPCEndpoint"}}})
	if diff := cmp.Diff([]string{"VPC endpoint vpce-mine"}, foreign); diff != "" || err != nil {
		t.Errorf("of others (%v, -want +got):\n%s", err, diff)
	}
}
