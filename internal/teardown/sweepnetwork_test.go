package teardown

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

// shared is a VPC of others, with security groups in it and the tags that were taken from its subnets.
type shared struct {
	subnetAPI
	groups []types.SecurityGroup
	taken  []string
}

func (v *shared) DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: v.groups}, nil
}

func (v *shared) DeleteTags(_ context.Context, in *ec2.DeleteTagsInput, _ ...func(*ec2.Options)) (*ec2.DeleteTagsOutput, error) {
	v.taken = append(v.taken, in.Resources[0]+" "+*in.Tags[0].Key)
	return &ec2.DeleteTagsOutput{}, nil
}

func TestUntag(t *testing.T) {
	group := func(vpc string, tags ...string) types.SecurityGroup {
		return types.SecurityGroup{GroupId: aws.String("sg"), VpcId: &vpc, Tags: tagList(tags...)}
	}
	network := made{stacks: map[string]stack.Description{names.NetworkStack: {Parameters: map[string]string{"VpcId": "vpc-9"}}}}
	cases := map[string]struct {
		reason string
		groups []types.SecurityGroup
		taken  []string
		kept   []environment.Leftover
	}{
		"Alone": {
			reason: "the VPC is to be as it was", groups: []types.SecurityGroup{group("vpc-9", "eks-environment", "opa-dev"), group("vpc-9"), group("vpc-1", "eks-environment", "opa-far")},
			taken: []string{"subnet-1 kubernetes.io/role/elb"},
		},
		"Not alone": {
			reason: "the other's controller finds its subnets by this tag, and nothing else tells of it (kubectl-protocol.md, section 4.5)",
			groups: []types.SecurityGroup{group("vpc-9", "eks-environment", "opa-test"), group("vpc-9", "eks-environment", "opa-dev")},
			kept:   []environment.Leftover{{What: "tag kubernetes.io/role/elb of subnet-1", Why: "in VPC vpc-9 there is also opa-test, whose load balancers may be placed by it"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			api, section := &shared{groups: tc.groups}, &environment.Removal{}
			state := environment.State{Names: names, Survey: &environment.Survey{TaggedSubnets: "subnet-1=kubernetes.io/role/elb"}}
			if err := untag(t.Context(), api, network, state, section); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.taken, api.taken); diff != "" {
				t.Errorf("%s: taken (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.kept, section.Kept); diff != "" {
				t.Errorf("%s: kept (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
