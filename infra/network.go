package main

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
)

// zones is how many availability zones the template can spread over; the last one is optional.
const zones = 3

// network is an environment's VPC: subnets, routes to the internet and the two security groups that
// let the kubectl function reach the Kubernetes API. NAT gateways and endpoints cost money and
// time, so they are a stack of their own that adds routes to the private route tables made here.
func network(t *template) {
	t.describe("EKS environment: VPC, subnets, routes and security groups")
	t.identify()
	cidr := t.text("VpcCidr", "Address block of the VPC, such as 10.0.0.0/16")
	names := t.list("AvailabilityZones", "Names of the two or three availability zones, in the order of the subnets")
	public := t.list("PublicSubnetCidrs", "Address blocks of the public subnets, one per zone")
	private := t.list("PrivateSubnetCidrs", "Address blocks of the private subnets, one per zone")
	count := t.choice("ZoneCount", "Number of availability zones", "2", "3")
	third := t.when("ThreeZones", awscdk.Fn_ConditionEquals(count, jsii.String("3")))

	vpc := awsec2.NewCfnVPC(t.stack, jsii.String("Vpc"), &awsec2.CfnVPCProps{
		CidrBlock:          cidr,
		EnableDnsHostnames: jsii.Bool(true), // the private endpoint of the cluster is found by DNS
		EnableDnsSupport:   jsii.Bool(true),
		Tags:               named("${Prefix}-${Name}"),
	})
	publicRoutes := internetRoutes(t, vpc)

	publicTier := tier{id: "Public", name: "public", role: "kubernetes.io/role/elb"}
	privateTier := tier{id: "Private", name: "private", role: "kubernetes.io/role/internal-elb"}
	var publicIDs, privateIDs, privateRoutes []*string
	for i := range zones {
		number := strconv.Itoa(i + 1)
		zone := awscdk.Fn_Select(jsii.Number(i), names)
		var only awscdk.CfnCondition
		if i == zones-1 {
			only = third
		}
		publicSubnet := subnet(t, vpc, zone, awscdk.Fn_Select(jsii.Number(i), public), publicTier, number, only)
		associate(t, publicSubnet, publicRoutes, publicTier, number, only)
		privateSubnet := subnet(t, vpc, zone, awscdk.Fn_Select(jsii.Number(i), private), privateTier, number, only)
		// One table per zone, so that each can have the NAT gateway of its own zone.
		routes := awsec2.NewCfnRouteTable(t.stack, jsii.String("PrivateRouteTable"+number), &awsec2.CfnRouteTableProps{
			VpcId: vpc.Ref(),
			Tags:  named("${Prefix}-${Name}-private-" + number),
		})
		onlyWhen(routes, only)
		associate(t, privateSubnet, routes, privateTier, number, only)
		publicIDs = append(publicIDs, publicSubnet.Ref())
		privateIDs = append(privateIDs, privateSubnet.Ref())
		privateRoutes = append(privateRoutes, routes.Ref())
	}
	controlPlane, function := securityGroups(t, vpc.Ref())

	t.output("VpcId", "The VPC", vpc.Ref(), nil)
	t.output("PublicSubnetIds", "The public subnets, comma-separated, in the order of the zones", joined(third, publicIDs), nil)
	t.output("PrivateSubnetIds", "The private subnets, comma-separated, in the order of the zones", joined(third, privateIDs), nil)
	t.output("PublicRouteTableId", "The route table of the public subnets", publicRoutes.Ref(), nil)
	t.output("PrivateRouteTableIds", "The route tables of the private subnets, comma-separated", joined(third, privateRoutes), nil)
	t.output("ControlPlaneSecurityGroupId", "The cluster's additional security group", controlPlane.AttrGroupId(), nil)
	t.output("KubectlSecurityGroupId", "The kubectl function's security group", function.AttrGroupId(), nil)
}

// internetRoutes declares the VPC's internet gateway and returns the route table that leads to it.
func internetRoutes(t *template, vpc awsec2.CfnVPC) awsec2.CfnRouteTable {
	gateway := awsec2.NewCfnInternetGateway(t.stack, jsii.String("InternetGateway"), &awsec2.CfnInternetGatewayProps{
		Tags: named("${Prefix}-${Name}"),
	})
	attachment := awsec2.NewCfnVPCGatewayAttachment(t.stack, jsii.String("InternetGatewayAttachment"), &awsec2.CfnVPCGatewayAttachmentProps{
		VpcId:             vpc.Ref(),
		InternetGatewayId: gateway.Ref(),
	})
	publicRoutes := awsec2.NewCfnRouteTable(t.stack, jsii.String("PublicRouteTable"), &awsec2.CfnRouteTableProps{
		VpcId: vpc.Ref(),
		Tags:  named("${Prefix}-${Name}-public"),
	})
	route := awsec2.NewCfnRoute(t.stack, jsii.String("PublicRoute"), &awsec2.CfnRouteProps{
		RouteTableId:         publicRoutes.Ref(),
		DestinationCidrBlock: jsii.String("0.0.0.0/0"),
		GatewayId:            gateway.Ref(),
	})
	route.AddResourceDependency(attachment, jsii.String("no reference says that the gateway has to be attached first"))
	return publicRoutes
}

// tier is one kind of subnet.
type tier struct {
	id, name string
	// role is the tag by which the load balancer controller finds the subnets for its scheme.
	role string
}

// subnet declares a subnet. Nothing that Harmonix runs in a public subnet asks for a public address
// of its own (a load balancer brings its addresses), so none is given out by default.
func subnet(t *template, vpc awsec2.CfnVPC, zone, cidr *string, kind tier, number string, only awscdk.CfnCondition) awsec2.CfnSubnet {
	tags := append(*named("${Prefix}-${Name}-" + kind.name + "-" + number), &awscdk.CfnTag{
		Key:   jsii.String(kind.role),
		Value: jsii.String("1"),
	})
	resource := awsec2.NewCfnSubnet(t.stack, jsii.String(kind.id+"Subnet"+number), &awsec2.CfnSubnetProps{
		VpcId:            vpc.Ref(),
		AvailabilityZone: zone,
		CidrBlock:        cidr,
		Tags:             &tags,
	})
	onlyWhen(resource, only)
	return resource
}

func associate(t *template, subnet awsec2.CfnSubnet, table awsec2.CfnRouteTable, kind tier, number string, only awscdk.CfnCondition) {
	resource := awsec2.NewCfnSubnetRouteTableAssociation(t.stack, jsii.String(kind.id+"SubnetRoutes"+number),
		&awsec2.CfnSubnetRouteTableAssociationProps{SubnetId: subnet.Ref(), RouteTableId: table.Ref()})
	onlyWhen(resource, only)
}

// securityGroups declares the cluster's additional security group and the kubectl function's own.
// Both live here, below every stack that uses them, because a function's network interfaces stay
// for up to an hour after the function is gone and block the deletion of its group.
func securityGroups(t *template, vpc *string) (controlPlane, function awsec2.CfnSecurityGroup) {
	controlPlane = awsec2.NewCfnSecurityGroup(t.stack, jsii.String("ControlPlaneSecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("EKS control plane: who may reach the Kubernetes API from inside the VPC"),
		VpcId:            vpc,
		SecurityGroupEgress: []any{&awsec2.CfnSecurityGroup_EgressProperty{
			Description: jsii.String("Nodes, webhooks and AWS APIs"),
			IpProtocol:  jsii.String("-1"),
			CidrIp:      jsii.String("0.0.0.0/0"),
		}},
		Tags: named("${Prefix}-${Name}-control-plane"),
	})
	function = awsec2.NewCfnSecurityGroup(t.stack, jsii.String("KubectlSecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Kubectl function"),
		VpcId:            vpc,
		// Amazon's resolver is not subject to security groups. A VPC of others may have resolvers of its own.
		SecurityGroupEgress: []any{
			out("tcp", 443, "Kubernetes API, AWS APIs and chart repositories"),
			out("udp", 53, "Resolvers named by DHCP options of the VPC"),
			out("tcp", 53, "Resolvers named by DHCP options of the VPC"),
		},
		Tags: named("${Prefix}-${Name}-kubectl"),
	})
	awsec2.NewCfnSecurityGroupIngress(t.stack, jsii.String("KubectlToControlPlane"), &awsec2.CfnSecurityGroupIngressProps{
		Description:           jsii.String("Kubernetes API for the kubectl function"),
		GroupId:               controlPlane.AttrGroupId(),
		SourceSecurityGroupId: function.AttrGroupId(),
		IpProtocol:            jsii.String("tcp"),
		FromPort:              jsii.Number(443),
		ToPort:                jsii.Number(443),
	})
	return controlPlane, function
}

// onlyWhen puts a resource under a condition, which may be nil.
func onlyWhen(resource awscdk.CfnResource, condition awscdk.CfnCondition) {
	if condition != nil {
		resource.CfnOptions().SetCondition(condition)
	}
}

// joined is the comma-separated list of values, the last of which is there only with three zones.
func joined(third awscdk.CfnCondition, values []*string) *string {
	all, some := values, values[:zones-1]
	return either(third, awscdk.Fn_Join(jsii.String(","), &all), awscdk.Fn_Join(jsii.String(","), &some))
}

// out is a rule of a security group that lets connections to a port leave, wherever they go.
func out(protocol string, port float64, description string) *awsec2.CfnSecurityGroup_EgressProperty {
	return &awsec2.CfnSecurityGroup_EgressProperty{
		Description: &description,
		IpProtocol:  &protocol,
		FromPort:    &port,
		ToPort:      &port,
		CidrIp:      jsii.String("0.0.0.0/0"),
	}
}

// networkActions is what the service role needs for the network stack. An EC2 identifier is not known before the call
// that makes it, so the region is what the statement can hold on to.
func networkActions() []statement {
	return []statement{{
		ID: "Network",
		Actions: []string{
			"ec2:CreateVpc", "ec2:DeleteVpc", "ec2:ModifyVpcAttribute",
			"ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute",
			"ec2:CreateInternetGateway", "ec2:DeleteInternetGateway",
			"ec2:AttachInternetGateway", "ec2:DetachInternetGateway",
			"ec2:CreateRouteTable", "ec2:DeleteRouteTable",
			"ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute",
			"ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation",
			"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:ModifySecurityGroupRules",
			"ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress",
			"ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress",
			"ec2:UpdateSecurityGroupRuleDescriptionsIngress", "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
			"ec2:CreateTags", "ec2:DeleteTags",
		},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}},
	}, {
		ID: "ReadNetwork",
		// DescribeNetworkInterfaces by its name, although the pattern covers it: CloudFormation waits
		// for the interfaces of a deleted VPC function only if it may call it, and without that wait
		// the subnets and security groups cannot be deleted afterwards.
		Actions: []string{"ec2:Describe*", "ec2:DescribeNetworkInterfaces", "ec2:GetSecurityGroupsForVpc"},
		// EC2's describe calls have no resource-level permissions.
		Resources: []string{"*"},
	}}
}
