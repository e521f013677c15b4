package network

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// groups are the environments that have a security group in vpc-9.
type groups []string

func (g groups) DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out := &ec2.DescribeSecurityGroupsOutput{}
	for _, of := range g {
		tags := []types.Tag{{Key: aws.String("eks-environment"), Value: aws.String(of)}}
		out.SecurityGroups = append(out.SecurityGroups, types.SecurityGroup{VpcId: aws.String("vpc-9"), Tags: tags})
	}
	return out, nil
}

func TestLeaving(t *testing.T) {
	const elb, internal = "kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"
	cases := map[string]struct {
		reason       string
		others       groups
		tagged, kept map[string]string
		going, all   map[string]string
	}{
		"Alone":     {"what is not asked for any more goes", groups{"opa-dev"}, map[string]string{"a": elb, "b": internal}, map[string]string{"a": elb}, map[string]string{"b": internal}, map[string]string{"a": elb}},
		"Not alone": {"another environment may need it; its record stays for the removal", groups{"opa-test"}, map[string]string{"a": elb, "b": internal}, nil, nil, map[string]string{"a": elb, "b": internal}},
		"Nothing":   {"nothing goes, so nobody is asked for", nil, map[string]string{"a": elb}, map[string]string{"a": elb, "c": elb}, nil, map[string]string{"a": elb, "c": elb}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			state := environment.State{Request: environment.Request{VPCID: "vpc-9"}, Names: environment.Names{Environment: "opa-dev"}}
			going, all, err := leaving(t.Context(), tc.others, state, tc.tagged, tc.kept)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]map[string]string{tc.going, tc.all}, []map[string]string{going, all}); diff != "" {
				t.Errorf("%s: going and written down (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
