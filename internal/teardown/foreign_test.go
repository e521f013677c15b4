package teardown

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
)

func TestForeignInVPC(t *testing.T) {
	instance := func(id string, tags ...string) types.Instance {
		return types.Instance{InstanceId: &id, VpcId: aws.String("vpc-1"), Tags: tagList(tags...)}
	}
	managed := func(id, kind, description string) types.NetworkInterface {
		return types.NetworkInterface{
			NetworkInterfaceId: &id, VpcId: aws.String("vpc-1"), Status: "in-use", RequesterManaged: aws.Bool(true),
			InterfaceType: types.NetworkInterfaceType(kind), Description: &description,
		}
	}
	stopped := instance("i-gone")
	stopped.State = &types.InstanceState{Name: types.InstanceStateNameTerminated}
	group := func(id, name string, tags ...string) types.SecurityGroup {
		return types.SecurityGroup{GroupId: &id, GroupName: &name, VpcId: aws.String("vpc-1"), Tags: tagList(tags...)}
	}
	api := &filled{
		instances: []types.Instance{
			instance("i-node", "eks:cluster-name", "opa-dev-cluster", "eks:nodegroup-name", "n"), instance("i-ours", "eks-environment", "opa-dev"),
			instance("i-karpenter", "kubernetes.io/cluster/opa-dev-cluster", "owned", "karpenter.sh/nodepool", "default"), instance("i-bastion"), stopped,
		},
		groups: []types.SecurityGroup{
			group("sg-stack", "kubectl"), group("sg-default", "default"), group("sg-lb", "k8s-traffic", "elbv2.k8s.aws/cluster", "opa-dev-cluster"),
			group("sg-guard", "GuardDuty", "GuardDutyManaged", "true"), group("sg-rds", "database"), group("sg-other", "k8s", "elbv2.k8s.aws/cluster", "other"),
		},
		interfaces: []types.NetworkInterface{
			{NetworkInterfaceId: aws.String("eni-free"), VpcId: aws.String("vpc-1"), Status: "available"},
			{NetworkInterfaceId: aws.String("eni-cni"), VpcId: aws.String("vpc-1"), Status: "available", Description: aws.String("aws-K8S-i-1"), TagSet: tagList("cluster.k8s.amazonaws.com/name", "opa-dev-cluster")},
			{NetworkInterfaceId: aws.String("eni-other"), VpcId: aws.String("vpc-1"), Status: "available", Description: aws.String("aws-K8S-i-2"), TagSet: tagList("cluster.k8s.amazonaws.com/name", "other")},
			{NetworkInterfaceId: aws.String("eni-used"), VpcId: aws.String("vpc-1"), Status: "in-use"},
			{NetworkInterfaceId: aws.String("eni-aws"), VpcId: aws.String("vpc-1"), Status: "available", RequesterManaged: aws.Bool(true)},
			managed("eni-efs", "interface", "EFS mount target for fs-1 (fsmt-1)"), managed("eni-tgw", "transit_gateway", "Network Interface for Transit Gateway Attachment tgw-attach-1"),
			managed("eni-rds", "interface", "RDSNetworkInterface"), managed("eni-fn", "lambda", "AWS Lambda VPC ENI-orders-1"), managed("eni-ours", "lambda", "AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-1"),
			managed("eni-nat", "natGateway", "Interface for NAT Gateway nat-1"), managed("eni-eks", "interface", "Amazon EKS opa-dev-cluster"), managed("eni-lb", "load_balancer", "ELB app/k8s-default-web/1"),
			managed("eni-endpoint", "vpc_endpoint", "VPC Endpoint Interface vpce-1"),
			{NetworkInterfaceId: aws.String("eni-far"), VpcId: aws.String("vpc-2"), Status: "available"},
		},
	}
	n := network{api: api, cluster: "opa-dev-cluster", environment: "opa-dev", vpc: "vpc-1", function: "EKS-ENV-opa-dev-kubectl"}
	holds := holdings{names.NetworkStack: {{ID: "sg-stack", Type: "AWS::EC2::SecurityGroup"}}}
	want := map[string][]string{
		"instances": {"instance i-karpenter", "instance i-bastion"},
		"groups":    {"security group sg-rds (database)", "security group sg-other (k8s)"},
		"interfaces": {
			"network interface eni-free", "network interface eni-other (aws-K8S-i-2)", "network interface eni-efs (EFS mount target for fs-1 (fsmt-1))",
			"network interface eni-tgw (Network Interface for Transit Gateway Attachment tgw-attach-1)", "network interface eni-rds (RDSNetworkInterface)",
			"network interface eni-fn (AWS Lambda VPC ENI-orders-1)",
		},
	}
	for name, look := range map[string]func(context.Context, holdings) ([]string, error){
		"instances": n.foreignInstances, "groups": n.foreignGroups, "interfaces": n.foreignInterfaces,
	} {
		got, err := look(t.Context(), holds)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s of others (-want +got):\n%s", name, diff)
		}
	}
}
