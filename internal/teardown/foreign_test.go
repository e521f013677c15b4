package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

type capacity struct{ groups, profiles []string }

func (c capacity) ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error) {
	if c.groups == nil {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException"}
	}
	return &eks.ListNodegroupsOutput{Nodegroups: c.groups}, nil
}

func (c capacity) ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error) {
	return &eks.ListFargateProfilesOutput{FargateProfileNames: c.profiles}, nil
}

// guarded is a cluster with this protection from deletion, or an answer instead of one.
type guarded struct {
	protection *bool
	answer     error
}

func (g guarded) DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error) {
	if g.answer != nil {
		return nil, g.answer
	}
	return &eks.DescribeClusterOutput{Cluster: &ekstypes.Cluster{DeletionProtection: g.protection}}, nil
}

func TestProtection(t *testing.T) {
	cases := map[string]struct {
		reason  string
		api     guarded
		refused bool
		code    fault.Code
	}{
		"Protected": {reason: "DeleteCluster would fail when capacity and add-ons are gone (row 1.16)", api: guarded{protection: aws.Bool(true)}, refused: true, code: fault.Conflict},
		"Not":       {reason: "as the template makes it", api: guarded{protection: aws.Bool(false)}},
		"Unsaid":    {reason: "EKS of before there was protection", api: guarded{}},
		"Gone":      {reason: "no cluster, nothing to protect", api: guarded{answer: &ekstypes.ResourceNotFoundException{Message: aws.String("No cluster found for name: opa-dev-cluster.")}}},
		"Forbidden": {reason: "what cannot be seen is not off", api: guarded{answer: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, code: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := cloud{names: names}.protection(t.Context(), tc.api)
			if err == nil {
				err = refuse(found)
			}
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if !tc.refused {
				return
			}
			got := fault.As(err)
			if !strings.Contains(got.Message, "the deletion protection of opa-dev-cluster") ||
				!strings.Contains(got.Next, "aws eks update-cluster-config --name opa-dev-cluster --no-deletion-protection") {
				t.Errorf("%s: %s; %s", tc.reason, got.Message, got.Next)
			}
		})
	}
}

func TestOtherCapacity(t *testing.T) {
	// Ref of a node group is "cluster/name", of a Fargate profile "cluster|name".
	group := stack.Resource{ID: "opa-dev-cluster/NodeGroup-1", Type: "AWS::EKS::Nodegroup"}
	profile := stack.Resource{ID: "opa-dev-cluster|Profile-1", Type: "AWS::EKS::FargateProfile"}
	second := stack.Resource{ID: "opa-dev-cluster|Profile-2", Type: "AWS::EKS::FargateProfile"}
	cases := map[string]struct {
		reason  string
		api     capacity
		ours    []stack.Resource
		remedy  []string
		failing fault.Code
	}{
		"Ours":     {reason: "what the stack holds goes with it", api: capacity{[]string{"NodeGroup-1"}, nil}, ours: []stack.Resource{group}},
		"Several":  {reason: "several profiles of one stack are no reason to stop", api: capacity{[]string{}, []string{"Profile-1", "Profile-2"}}, ours: []stack.Resource{profile, second}},
		"Added":    {reason: "EKS deletes no cluster with a node group (row 6.6)", api: capacity{[]string{"NodeGroup-1", "gpu"}, nil}, ours: []stack.Resource{group}, remedy: []string{"aws eks delete-nodegroup --cluster-name opa-dev-cluster --nodegroup-name gpu"}},
		"Instead":  {reason: "as many as ours, but not ours", api: capacity{[]string{}, []string{"team"}}, ours: []stack.Resource{group}, remedy: []string{"aws eks delete-fargate-profile --cluster-name opa-dev-cluster --fargate-profile-name team"}},
		"No stack": {reason: "the stack was deleted by hand, and somebody has made others", api: capacity{[]string{"a"}, []string{}}, remedy: []string{"aws eks delete-nodegroup --cluster-name opa-dev-cluster --nodegroup-name a"}},
		"Refused":  {reason: "what cannot be seen is not none", failing: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := cloud{names: names}.otherCapacity(t.Context(), tc.api, holdings{names.CapacityStack: tc.ours})
			if code := fault.CodeOf(err); code != tc.failing {
				t.Errorf("%s: got %q (%v)", tc.reason, code, err)
			}
			var remedies []string
			for _, o := range got {
				remedies = append(remedies, o.remedy)
			}
			if diff := cmp.Diff(tc.remedy, remedies); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	if err := refuse(nil); err != nil {
		t.Errorf("nothing is in the way, and yet: %v", err)
	}
	err := refuse([]obstacle{
		{what: "subnet subnet-1", why: "the VPC is in use by"}, {what: "node group gpu", why: "EKS has", remedy: "aws eks delete"},
		{what: "subnet subnet-2", why: "the VPC is in use by"},
	})
	f := fault.As(err)
	if f.Code != fault.Conflict || !strings.Contains(f.Message, "EKS has: node group gpu. the VPC is in use by: subnet subnet-1, subnet subnet-2") {
		t.Errorf("got %s: %s", f.Code, f.Message)
	}
	if want := "(aws eks delete), then start the same delete again; nothing was removed so far"; !strings.Contains(f.Next, want) {
		t.Errorf("%q lacks %q", f.Next, want)
	}
}

// attached are the policies of roles, and as "profile X" the instance profiles that they are in.
type attached map[string][]string

func (a attached) ListInstanceProfilesForRole(_ context.Context, in *iam.ListInstanceProfilesForRoleInput, _ ...func(*iam.Options)) (*iam.ListInstanceProfilesForRoleOutput, error) {
	out := &iam.ListInstanceProfilesForRoleOutput{}
	for _, name := range a[*in.RoleName] {
		if profile, ok := strings.CutPrefix(name, "profile "); ok {
			out.InstanceProfiles = append(out.InstanceProfiles, iamtypes.InstanceProfile{InstanceProfileName: &profile})
		}
	}
	return out, nil
}

func (a attached) ListAttachedRolePolicies(_ context.Context, in *iam.ListAttachedRolePoliciesInput, _ ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error) {
	has, ok := a[*in.RoleName]
	if !ok {
		return nil, &iamtypes.NoSuchEntityException{}
	}
	out := &iam.ListAttachedRolePoliciesOutput{}
	for _, arn := range has {
		if name, ok := strings.CutPrefix(arn, "arn:aws:iam::aws:policy/"); ok {
			out.AttachedPolicies = append(out.AttachedPolicies, iamtypes.AttachedPolicy{PolicyArn: &arn, PolicyName: &name})
		}
	}
	return out, nil
}

func (a attached) ListRolePolicies(_ context.Context, in *iam.ListRolePoliciesInput, _ ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error) {
	out := &iam.ListRolePoliciesOutput{}
	for _, name := range a[*in.RoleName] {
		if !strings.HasPrefix(name, "arn:") && !strings.HasPrefix(name, "profile ") {
			out.PolicyNames = append(out.PolicyNames, name)
		}
	}
	return out, nil
}

func TestHoldOnRoles(t *testing.T) {
	const node = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
	account := made{templates: map[string]string{names.IdentityStack: `{"Resources": {
		"NodeRole": {"Properties": {"ManagedPolicyArns": [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy"}], "Policies": [{"PolicyName": "logs"}]}},
		"AdminRole": {"Properties": {}}}}`}}
	holds := holdings{names.IdentityStack: {
		{LogicalID: "NodeRole", ID: "opa-dev-node-role", Type: "AWS::IAM::Role"},
		{LogicalID: "AdminRole", ID: "opa-dev-admin-role", Type: "AWS::IAM::Role"},
		{LogicalID: "Table", ID: "opa-dev-audit", Type: "AWS::DynamoDB::Table"},
		{LogicalID: "Profile", ID: "ours", Type: "AWS::IAM::InstanceProfile"},
	}}
	cases := map[string]struct {
		reason string
		has    attached
		remedy []string
	}{
		"As declared": {reason: "the stack takes these away itself", has: attached{"opa-dev-node-role": {node, "logs"}, "opa-dev-admin-role": {}}},
		"Attached": {
			reason: "Systems Manager's quick setup does so (row 6.8)",
			has:    attached{"opa-dev-node-role": {node, "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}, "opa-dev-admin-role": {}},
			remedy: []string{"aws iam detach-role-policy --role-name opa-dev-node-role --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
		},
		"Inline": {
			reason: "another role's declaration does not count",
			has:    attached{"opa-dev-node-role": {node}, "opa-dev-admin-role": {"logs"}},
			remedy: []string{"aws iam delete-role-policy --role-name opa-dev-admin-role --policy-name logs"},
		},
		"Profile": {
			reason: "Karpenter and people put a node role into profiles of theirs; EKS' own goes with its node group, the stack's with the stack",
			has:    attached{"opa-dev-node-role": {node, "profile eks-08c968da-2d88-0096-4c82-1ee57490a6af", "profile ours", "profile opa-dev-cluster_123"}, "opa-dev-admin-role": {}},
			remedy: []string{"aws iam remove-role-from-instance-profile --role-name opa-dev-node-role --instance-profile-name opa-dev-cluster_123"},
		},
		"Gone": {reason: "a role that was deleted by hand stops nothing", has: attached{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := holdOnRoles(t.Context(), tc.has, account, holds)
			if err != nil {
				t.Fatal(err)
			}
			var remedies []string
			for _, o := range got {
				remedies = append(remedies, o.remedy)
			}
			if diff := cmp.Diff(tc.remedy, remedies); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

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

func tagList(pairs ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return tags
}

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
	foreign, err := network{api: api, vpc: "vpc-1"}.foreignEndpoints(t.Context(), holdings{names.EgressStack: {{ID: "vpce-stack", Type: "AWS::EC2::VPCEndpoint"}}})
	if diff := cmp.Diff([]string{"VPC endpoint vpce-mine"}, foreign); diff != "" || err != nil {
		t.Errorf("of others (%v, -want +got):\n%s", err, diff)
	}
}
