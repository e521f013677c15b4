package main

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// egress is the ways out of an environment's VPC: NAT gateways, endpoints and the routes to them, and
// the log of what took them. It is a stack of its own because it takes minutes that the cluster need
// not wait for; nodes, which join only with a way out, do.
//
// The internet gateway is attached by the network stack, which is complete before this one begins: a
// NAT gateway that is made before the attachment fails and stays failed (aws-traps.md, row 1.56).
// That every endpoint service exists in every zone (row 1.53) is preflight's to check: a template
// cannot ask.
func egress(t *template) {
	t.describe("EKS environment: NAT gateways, VPC endpoints and flow log")
	t.identify()
	t.bounded()
	vpc := t.text("VpcId", "The VPC")
	t.text("VpcCidr", "Address block of the VPC")
	count := t.choice("ZoneCount", "Number of availability zones", "2", "3")
	gateways := t.choice("NatGateways", "One NAT gateway for the VPC, or one in each zone", "single", "perAz")
	public := t.list("PublicSubnetIds", "The public subnets, in the order of the zones")
	private := t.list("PrivateSubnetIds", "The private subnets, one per zone, in the order of the zones")
	privateTables := t.list("PrivateRouteTableIds", "The route tables of the private subnets, in the order of the zones")
	tables := t.list("RouteTableIds", "All route tables, for the gateway endpoints")
	third := t.when("ThreeZones", awscdk.Fn_ConditionEquals(count, jsii.String("3")))
	perZone := t.when("NatPerZone", awscdk.Fn_ConditionEquals(gateways, jsii.String("perAz")))
	thirdNAT := t.when("ThirdNat", awscdk.Fn_ConditionAnd(third, perZone))

	var ids, addresses []*string
	var first *string
	for i := range zones {
		number := strconv.Itoa(i + 1)
		made := []awscdk.CfnCondition{nil, perZone, thirdNAT}[i]
		nat, address := natGateway(t, awscdk.Fn_Select(jsii.Number(i), public), number, made)
		ids, addresses = append(ids, nat), append(addresses, address)
		target := nat
		if i == 0 {
			first = nat
		} else {
			target = either(perZone, nat, first)
		}
		route := awsec2.NewCfnRoute(t.stack, jsii.String("PrivateRoute"+number), &awsec2.CfnRouteProps{
			RouteTableId:         awscdk.Fn_Select(jsii.Number(i), privateTables),
			DestinationCidrBlock: jsii.String("0.0.0.0/0"),
			NatGatewayId:         target,
		})
		if i == zones-1 {
			onlyWhen(route, third)
		}
	}
	gatewayEndpoints(t, vpc, tables)
	interfaceEndpoints(t, vpc, private)
	group := flowLog(t, vpc)

	t.output("NatGatewayIds", "The NAT gateways, comma-separated, in the order of the zones",
		either(perZone, joined(third, ids), first), nil)
	t.output("PublicIps", "The addresses that the environment's calls come from, comma-separated",
		either(perZone, joined(third, addresses), addresses[0]), nil)
	t.output("FlowLogGroup", "The log group of the VPC's flow log", group, nil)
}

// natGateway declares a gateway with an address in the subnet, and returns both.
func natGateway(t *template, subnet *string, number string, only awscdk.CfnCondition) (id, publicIP *string) {
	address := awsec2.NewCfnEIP(t.stack, jsii.String("NatAddress"+number), &awsec2.CfnEIPProps{
		Domain: jsii.String("vpc"),
		Tags:   named("${Prefix}-${Name}-" + number),
	})
	onlyWhen(address, only)
	gateway := awsec2.NewCfnNatGateway(t.stack, jsii.String("NatGateway"+number), &awsec2.CfnNatGatewayProps{
		AllocationId: address.AttrAllocationId(),
		SubnetId:     subnet,
		Tags:         named("${Prefix}-${Name}-" + number),
	})
	onlyWhen(gateway, only)
	return gateway.Ref(), address.Ref()
}

// gatewayEndpoints keeps the traffic to S3, where the layers of container images come from, and to
// DynamoDB off the NAT gateways, which charge by the gigabyte. They cost nothing.
func gatewayEndpoints(t *template, vpc *string, tables *[]*string) {
	services := map[string]string{"S3Endpoint": "s3", "DynamoDbEndpoint": "dynamodb"}
	for _, id := range sorted(services) {
		service := services[id]
		awsec2.NewCfnVPCEndpoint(t.stack, jsii.String(id), &awsec2.CfnVPCEndpointProps{
			VpcId:           vpc,
			ServiceName:     sub("com.amazonaws.${AWS::Region}." + service),
			VpcEndpointType: jsii.String("Gateway"),
			RouteTableIds:   elements(tables),
			Tags:            named("${Prefix}-${Name}-" + service),
		})
	}
}

// interfaceEndpoints declares an endpoint for each service, under a condition of its own, and the
// group of all of them. The group admits the VPC's addresses and not other groups: nodes, pods, the
// kubectl function and what applications bring all call AWS, and so do the addresses that have no group.
// The group is returned for a VPC with more than one block of addresses.
func interfaceEndpoints(t *template, vpc *string, subnets *[]*string) awsec2.CfnSecurityGroup {
	// Without a condition, although it may guard nothing: a group costs nothing, and CloudFormation's
	// Fn::Or takes ten conditions at most.
	group := awsec2.NewCfnSecurityGroup(t.stack, jsii.String("EndpointSecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Interface endpoints: HTTPS from the VPC"),
		VpcId:            vpc,
		SecurityGroupIngress: []any{&awsec2.CfnSecurityGroup_IngressProperty{
			Description: jsii.String("AWS APIs for everything in the VPC"),
			IpProtocol:  jsii.String("tcp"),
			FromPort:    jsii.Number(443),
			ToPort:      jsii.Number(443),
			CidrIp:      sub("${VpcCidr}"),
		}},
		// An endpoint begins no connection. Without any rule EC2 would add one that allows everything.
		SecurityGroupEgress: []any{&awsec2.CfnSecurityGroup_EgressProperty{
			Description: jsii.String("Nothing"),
			IpProtocol:  jsii.String("-1"),
			CidrIp:      jsii.String("127.0.0.1/32"),
		}},
		Tags: named("${Prefix}-${Name}-endpoints"),
	})
	for _, service := range environment.InterfaceEndpoints() {
		id := environment.EndpointParameter(service)
		wanted := t.choice(id, "Whether the VPC has an interface endpoint for "+service, "true", "false")
		endpoint := awsec2.NewCfnVPCEndpoint(t.stack, jsii.String("Interface"+id), &awsec2.CfnVPCEndpointProps{
			VpcId:             vpc,
			ServiceName:       sub("com.amazonaws.${AWS::Region}." + service),
			VpcEndpointType:   jsii.String("Interface"),
			PrivateDnsEnabled: jsii.Bool(true), // so that clients need not know
			SubnetIds:         elements(subnets),
			SecurityGroupIds:  &[]any{group.AttrGroupId()},
			Tags:              named("${Prefix}-${Name}-" + service),
		})
		onlyWhen(endpoint, t.when("Has"+id, awscdk.Fn_ConditionEquals(wanted, jsii.String("true"))))
	}
	return group
}

// flowLogDays is how long the VPC's flow log is kept.
const flowLogDays = 90

// flowLog declares the log of every connection, the group it goes to and the role it is written
// with; it returns the group's name. All of a flow log's properties are create-only.
func flowLog(t *template, vpc *string) *string {
	// Harmonix keeps the group for ever; here it goes with the environment.
	group := t.logGroup("FlowLogGroup", sub("/aws/vpc/${Prefix}-${Name}-flow-logs"), flowLogDays)
	writer := t.role("FlowLogRole", flowLogRole())
	awsec2.NewCfnFlowLog(t.stack, jsii.String("FlowLog"), &awsec2.CfnFlowLogProps{
		ResourceId:               vpc,
		ResourceType:             jsii.String("VPC"),
		TrafficType:              jsii.String("ALL"),
		LogDestinationType:       jsii.String("cloud-watch-logs"),
		LogGroupName:             group.Ref(),
		DeliverLogsPermissionArn: writer.AttrArn(),
		Tags:                     named("${Prefix}-${Name}"),
	})
	return group.Ref()
}

// flowLogRole lets the flow log write, and not make, its group: otherwise the last deliveries of a
// deleted environment would bring the group back, without retention.
func flowLogRole() role {
	return role{
		Name:        "${Prefix}-${Name}-flow-log-role",
		Description: "What the VPC's flow log may write",
		Trust: statement{
			Service: "vpc-flow-logs.amazonaws.com",
			Condition: map[string]map[string]any{
				"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
				"ArnLike":      {"aws:SourceArn": "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-flow-log/*"},
			},
		},
		Inline: map[string][]statement{"logs": {{
			ID:      "Write",
			Actions: []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resources: []string{
				"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vpc/${Prefix}-${Name}-flow-logs",
				"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vpc/${Prefix}-${Name}-flow-logs:*",
			},
		}, {
			ID:        "Find",
			Actions:   []string{"logs:DescribeLogGroups"},
			Resources: []string{"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*"},
		}}},
	}
}

// egressActions is what the service role needs for the egress stack besides what it needs for the network.
func egressActions() []statement {
	return []statement{{
		ID: "Egress",
		Actions: []string{
			"ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:DisassociateAddress",
			"ec2:CreateNatGateway", "ec2:DeleteNatGateway",
			"ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint", "ec2:DeleteVpcEndpoints",
			"ec2:CreateFlowLogs", "ec2:DeleteFlowLogs",
			"logs:CreateLogDelivery", "logs:DeleteLogDelivery",
		},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}},
	}, {
		ID: "EndpointNames",
		// What EC2 does with the caller's permissions for an endpoint with private DNS.
		Actions:   []string{"route53:AssociateVPCWithHostedZone"},
		Resources: []string{"arn:${AWS::Partition}:route53:::hostedzone/*"},
	}}
}
