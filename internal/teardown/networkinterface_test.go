package teardown

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

func TestRemainingInVPC(t *testing.T) {
	in := func(id, description string, status types.NetworkInterfaceStatus, more ...func(*types.NetworkInterface)) types.NetworkInterface {
		i := types.NetworkInterface{NetworkInterfaceId: &id, VpcId: aws.String("vpc-1"), Description: &description, Status: status}
		for _, f := range more {
			f(&i)
		}
		return i
	}
	of := func(kind types.NetworkInterfaceType) func(*types.NetworkInterface) {
		return func(i *types.NetworkInterface) { i.InterfaceType = kind }
	}
	byAWS := func(i *types.NetworkInterface) { i.RequesterManaged = aws.Bool(true) }
	n := network{cluster: "opa-dev-cluster", vpc: "vpc-1", function: "EKS-ENV-opa-dev-kubectl", api: &filled{interfaces: []types.NetworkInterface{
		in("eni-1", "AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c", "in-use", byAWS), in("eni-2", "Amazon EKS opa-dev-cluster", "in-use"),
		in("eni-3", "aws-K8S-i-1", "in-use"), in("eni-4", "ELB app/k8s-shop-web-1/2", "in-use", byAWS), in("eni-5", "ELB a0123456789abcdef0123456789abcde", "in-use", byAWS),
		in("eni-6", "fargate", "in-use", byAWS), in("eni-7", "mine", "available"), in("eni-8", "AWS Lambda VPC ENI-orders-1", "in-use", byAWS),
		in("eni-9", "aws-K8S-i-2", "available"),
		// As EC2 answers: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html
		in("eni-10", "Interface for NAT Gateway nat-0", "in-use", byAWS, of("nat_gateway")),
		in("eni-11", "EC2 Instance Connect Endpoint eice-0", "in-use", byAWS, of("ec2_instance_connect_endpoint")),
	}}}
	got, err := n.remaining(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(lines []string) (ids []string) {
		for _, l := range lines {
			ids = append(ids, strings.Fields(l)[2])
		}
		return ids
	}
	for what, lists := range map[string][2][]string{
		"leaving": {{"eni-1", "eni-2", "eni-3", "eni-4", "eni-5", "eni-10"}, ids(got.leaving)},
		"unknown": {{"eni-6"}, ids(got.unknown)},
		"foreign": {{"eni-7", "eni-8", "eni-9", "eni-11"}, ids(got.foreign)},
	} {
		if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, tc := range []struct {
		reason        string
		r             remainingInterfaces
		late, unknown bool
		waits         bool
	}{
		{reason: "Lambda takes 45 minutes", r: remainingInterfaces{leaving: []string{"a"}}, unknown: true, waits: true},
		{reason: "and no end of time", r: remainingInterfaces{leaving: []string{"a"}}, late: true, unknown: true},
		{reason: "what AWS has made goes as a rule", r: remainingInterfaces{unknown: []string{"a"}}, waits: true},
		{reason: "and if not, it is others'", r: remainingInterfaces{unknown: []string{"a"}}, unknown: true},
		{reason: "what is somebody's does not go", r: remainingInterfaces{foreign: []string{"a"}}},
	} {
		if waits := fault.CodeOf(tc.r.wait(tc.late, tc.unknown)) == fault.InProgress; waits != tc.waits {
			t.Errorf("%s: waits %t", tc.reason, waits)
		}
	}
}

// The security groups of an environment in a VPC of others cannot go while Lambda's interfaces have them,
// whoever has deleted the function (row 6.2). What has other groups is none of ours.
func TestRemainingInVPCOfOthers(t *testing.T) {
	with := func(id, description, group string) types.NetworkInterface {
		return types.NetworkInterface{
			NetworkInterfaceId: &id, VpcId: aws.String("vpc-9"), Description: &description, Status: "in-use", Groups: []types.GroupIdentifier{{GroupId: &group}},
		}
	}
	all := []types.NetworkInterface{
		with("eni-1", "AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c", "sg-kubectl"), with("eni-2", "Amazon EKS opa-dev-cluster", "sg-control"),
		with("eni-3", "AWS Lambda VPC ENI-orders-1", "sg-kubectl"), with("eni-4", "", "sg-kubectl"), with("eni-5", "ELB app/orders/1", "sg-orders"),
	}
	n := network{cluster: "opa-dev-cluster", function: "EKS-ENV-opa-dev-kubectl", api: &filled{interfaces: all}}
	got, err := n.remaining(t.Context(), []string{"sg-control", "sg-kubectl"})
	want := remainingInterfaces{
		leaving: []string{"network interface eni-1 (AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c)", "network interface eni-2 (Amazon EKS opa-dev-cluster)"},
		foreign: []string{"network interface eni-3 (AWS Lambda VPC ENI-orders-1)"}, unknown: []string{"network interface eni-4"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(remainingInterfaces{})); diff != "" || err != nil {
		t.Errorf("(-want +got, %v):\n%s", err, diff)
	}
	refusal := got.refuse("", []string{"sg-control", "sg-kubectl"})
	if f := fault.As(refusal); f.Code != fault.Conflict || !strings.Contains(f.Message, "sg-control and sg-kubectl") || !strings.Contains(f.Message, "eni-3") || strings.Contains(f.Message, "eni-1") {
		t.Errorf("refuses with %v", refusal)
	}
	if got, err := n.remaining(t.Context(), nil); err != nil || len(got.leaving)+len(got.foreign)+len(got.unknown) > 0 {
		t.Errorf("without groups of its own it finds %v (%v)", got, err)
	}
	if err := (remainingInterfaces{leaving: []string{"eni-1"}}).refuse("", nil); err != nil {
		t.Errorf("what goes by itself stops nothing: %v", err)
	}
}
