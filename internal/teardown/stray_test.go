package teardown

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// vpcs are a region's; a filter is not looked at.
type vpcs []types.Vpc

func (v vpcs) DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	return &ec2.DescribeVpcsOutput{Vpcs: v}, nil
}

// The network's stack was deleted by hand, and what would not go was left.
func TestStrayVPCs(t *testing.T) {
	of := func(id, environment string) types.Vpc {
		return types.Vpc{VpcId: aws.String(id), Tags: tagList("eks-environment", environment)}
	}
	all := vpcs{of("vpc-left", "opa-dev"), of("vpc-going", "opa-dev"), of("vpc-other", "opa-test"), {VpcId: aws.String("vpc-bare")}}
	got, err := strayVPCs(t.Context(), all, names, "vpc-going")
	want := []environment.Leftover{{
		What: "VPC vpc-left",
		Why:  "its tag eks-environment says that it is the environment's, and no stack has it: remove what is in it, then aws ec2 delete-vpc --vpc-id vpc-left",
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("(%v, -want +got):\n%s", err, diff)
	}
}
