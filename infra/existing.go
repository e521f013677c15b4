package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
)

// existingNetwork is the network core of an environment in a VPC that it did not make: the two security
// groups. The parameters that name subnets make nothing. They write down what was chosen, so that the
// choice stays, and which subnets were given tags, so that those can be taken away again.
func existingNetwork(t *template) {
	t.describe("EKS environment: security groups in an existing VPC")
	t.identify()
	vpc := t.text("VpcId", "The VPC, which is not the environment's")
	public := t.optional("PublicSubnetIds", "The public subnets in use, comma-separated")
	private := t.text("PrivateSubnetIds", "The private subnets in use, comma-separated")
	tagged := t.optional("TaggedSubnets", "The subnets that were given a tag, as subnet=key, comma-separated")
	hasPublic := t.when("HasPublicSubnets", awscdk.Fn_ConditionNot(empty(public)))
	hasTagged := t.when("HasTaggedSubnets", awscdk.Fn_ConditionNot(empty(tagged)))

	controlPlane, function := securityGroups(t, vpc)

	t.output("VpcId", "The VPC", vpc, nil)
	t.output("PublicSubnetIds", "The public subnets in use, comma-separated", public, hasPublic)
	t.output("PrivateSubnetIds", "The private subnets in use, comma-separated", private, nil)
	t.output("TaggedSubnets", "The subnets that were given a tag", tagged, hasTagged)
	t.output("ControlPlaneSecurityGroupId", "The cluster's additional security group", controlPlane.AttrGroupId(), nil)
	t.output("KubectlSecurityGroupId", "The kubectl function's security group", function.AttrGroupId(), nil)
}

// blocks is how many address blocks of an existing VPC its endpoints admit; a VPC has no more unless its
// quota was raised.
const blocks = 5

// existingEgress is the ways out of an environment in a VPC that it did not make: the endpoints that the
// request names, and the flow log. Routes, NAT gateways and gateway endpoints, which are routes, are not
// the environment's to change.
func existingEgress(t *template) {
	t.describe("EKS environment: VPC endpoints and flow log in an existing VPC")
	t.identify()
	t.bounded()
	vpc := t.text("VpcId", "The VPC, which is not the environment's")
	t.text("VpcCidr", "The VPC's first address block")
	subnets := t.list("EndpointSubnetIds", "Private subnets for the endpoints, one per zone")
	group := interfaceEndpoints(t, vpc, subnets)
	for i := 2; i <= blocks; i++ {
		name := fmt.Sprintf("VpcCidr%d", i)
		block := t.optional(name, "A further address block of the VPC; empty: it has no more")
		rule := awsec2.NewCfnSecurityGroupIngress(t.stack, jsii.String(fmt.Sprintf("EndpointsFromBlock%d", i)), &awsec2.CfnSecurityGroupIngressProps{
			Description: jsii.String("AWS APIs for everything in the VPC"),
			GroupId:     group.AttrGroupId(),
			IpProtocol:  jsii.String("tcp"),
			FromPort:    jsii.Number(443),
			ToPort:      jsii.Number(443),
			CidrIp:      block,
		})
		onlyWhen(rule, t.when("Has"+name, awscdk.Fn_ConditionNot(empty(block))))
	}
	log := flowLog(t, vpc)
	t.output("FlowLogGroup", "The log group of the VPC's flow log", log, nil)
}
