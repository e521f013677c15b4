package teardown

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
)

// routingAPI tells what leads into the VPC and out of it. AWS deletes no VPC that has any of it, but for
// the main route table and the network ACL called default:
// https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
type routingAPI interface {
	DescribeEgressOnlyInternetGateways(context.Context, *ec2.DescribeEgressOnlyInternetGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeEgressOnlyInternetGatewaysOutput, error)
	DescribeNatGateways(context.Context, *ec2.DescribeNatGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeNatGatewaysOutput, error)
	DescribeNetworkAcls(context.Context, *ec2.DescribeNetworkAclsInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error)
	DescribeRouteTables(context.Context, *ec2.DescribeRouteTablesInput, ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error)
	DescribeVpcPeeringConnections(context.Context, *ec2.DescribeVpcPeeringConnectionsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcPeeringConnectionsOutput, error)
	DescribeVpnGateways(context.Context, *ec2.DescribeVpnGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeVpnGatewaysOutput, error)
}

func (n network) foreignRouteTables(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::RouteTable")
	main := func(a types.RouteTableAssociation) bool { return aws.ToBool(a.Main) }
	for page := ec2.NewDescribeRouteTablesPaginator(n.api, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the route tables of VPC %s", n.vpc)
		}
		for _, t := range out.RouteTables {
			id := aws.ToString(t.RouteTableId)
			if aws.ToString(t.VpcId) == n.vpc && !slices.Contains(ours, id) && !slices.ContainsFunc(t.Associations, main) {
				foreign = append(foreign, "route table "+id)
			}
		}
	}
	return foreign, nil
}

func (n network) foreignACLs(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::NetworkAcl")
	for page := ec2.NewDescribeNetworkAclsPaginator(n.api, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the network ACLs of VPC %s", n.vpc)
		}
		for _, a := range out.NetworkAcls {
			id := aws.ToString(a.NetworkAclId)
			if aws.ToString(a.VpcId) == n.vpc && !slices.Contains(ours, id) && !aws.ToBool(a.IsDefault) {
				foreign = append(foreign, "network ACL "+id)
			}
		}
	}
	return foreign, nil
}

// foreignNATGateways names those that are there. AWS tells of one for an hour after its end.
func (n network) foreignNATGateways(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::NatGateway")
	live := []types.NatGatewayState{types.NatGatewayStatePending, types.NatGatewayStateAvailable}
	for page := ec2.NewDescribeNatGatewaysPaginator(n.api, &ec2.DescribeNatGatewaysInput{Filter: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the NAT gateways of VPC %s", n.vpc)
		}
		for _, g := range out.NatGateways {
			id := aws.ToString(g.NatGatewayId)
			if aws.ToString(g.VpcId) == n.vpc && !slices.Contains(ours, id) && slices.Contains(live, g.State) {
				foreign = append(foreign, "NAT gateway "+id)
			}
		}
	}
	return foreign, nil
}

// foreignVPNGateways names the gateways of VPNs. No stack of an environment has one.
func (n network) foreignVPNGateways(ctx context.Context, _ holdings) ([]string, error) {
	attached := types.Filter{Name: aws.String("attachment.vpc-id"), Values: []string{n.vpc}}
	out, err := n.api.DescribeVpnGateways(ctx, &ec2.DescribeVpnGatewaysInput{Filters: []types.Filter{attached}})
	if err != nil {
		return nil, account.Classify(err, "list the VPN gateways of VPC %s", n.vpc)
	}
	var foreign []string
	for _, g := range out.VpnGateways {
		at := func(a types.VpcAttachment) bool {
			return aws.ToString(a.VpcId) == n.vpc && a.State != types.AttachmentStatusDetached && a.State != types.AttachmentStatusDetaching
		}
		if slices.ContainsFunc(g.VpcAttachments, at) {
			foreign = append(foreign, "VPN gateway "+aws.ToString(g.VpnGatewayId))
		}
	}
	return foreign, nil
}

// foreignEgressGateways names the egress-only internet gateways, of which no stack has one. EC2 has no
// filter for their VPC.
func (n network) foreignEgressGateways(ctx context.Context, _ holdings) ([]string, error) {
	var foreign []string
	at := func(a types.InternetGatewayAttachment) bool { return aws.ToString(a.VpcId) == n.vpc }
	for page := ec2.NewDescribeEgressOnlyInternetGatewaysPaginator(n.api, &ec2.DescribeEgressOnlyInternetGatewaysInput{}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the egress-only internet gateways of VPC %s", n.vpc)
		}
		for _, g := range out.EgressOnlyInternetGateways {
			if slices.ContainsFunc(g.Attachments, at) {
				foreign = append(foreign, "egress-only internet gateway "+aws.ToString(g.EgressOnlyInternetGatewayId))
			}
		}
	}
	return foreign, nil
}

// foreignPeerings names the connections with other VPCs, from whichever side. EC2 tells of one that has
// ended for a while, and joins filters by AND, so both sides are looked at here.
func (n network) foreignPeerings(ctx context.Context, _ holdings) ([]string, error) {
	live := types.Filter{Name: aws.String("status-code"), Values: []string{"initiating-request", "pending-acceptance", "provisioning", "active"}}
	var foreign []string
	for page := ec2.NewDescribeVpcPeeringConnectionsPaginator(n.api, &ec2.DescribeVpcPeeringConnectionsInput{Filters: []types.Filter{live}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the peering connections of VPC %s", n.vpc)
		}
		for _, p := range out.VpcPeeringConnections {
			for _, side := range []*types.VpcPeeringConnectionVpcInfo{p.RequesterVpcInfo, p.AccepterVpcInfo} {
				if side != nil && aws.ToString(side.VpcId) == n.vpc {
					foreign = append(foreign, "VPC peering connection "+aws.ToString(p.VpcPeeringConnectionId))
				}
			}
		}
	}
	return foreign, nil
}
