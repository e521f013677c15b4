package teardown

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// routed is a VPC with ways in and out of it. It fails a call without the filter that AWS needs, and
// answers with what a filter would have left out.
type routed struct {
	networkAPI
	err error
}

var far, near = aws.String("vpc-2"), aws.String("vpc-1")

func (r routed) DescribeRouteTables(context.Context, *ec2.DescribeRouteTablesInput, ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error) {
	main := []types.RouteTableAssociation{{Main: aws.Bool(true)}}
	beside := []types.RouteTableAssociation{{Main: aws.Bool(false), SubnetId: aws.String("subnet-1")}}
	return &ec2.DescribeRouteTablesOutput{RouteTables: []types.RouteTable{
		{RouteTableId: aws.String("rtb-main"), VpcId: near, Associations: main},
		{RouteTableId: aws.String("rtb-stack"), VpcId: near, Associations: beside},
		{RouteTableId: aws.String("rtb-added"), VpcId: near, Associations: beside}, {RouteTableId: aws.String("rtb-far"), VpcId: far},
	}}, r.err
}

func (r routed) DescribeNetworkAcls(context.Context, *ec2.DescribeNetworkAclsInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error) {
	return &ec2.DescribeNetworkAclsOutput{NetworkAcls: []types.NetworkAcl{
		{NetworkAclId: aws.String("acl-default"), VpcId: near, IsDefault: aws.Bool(true)},
		{NetworkAclId: aws.String("acl-added"), VpcId: near, IsDefault: aws.Bool(false)}, {NetworkAclId: aws.String("acl-far"), VpcId: far},
	}}, r.err
}

func (r routed) DescribeNatGateways(context.Context, *ec2.DescribeNatGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeNatGatewaysOutput, error) {
	gateway := func(id string, state types.NatGatewayState) types.NatGateway {
		return types.NatGateway{NatGatewayId: &id, VpcId: near, State: state}
	}
	return &ec2.DescribeNatGatewaysOutput{NatGateways: []types.NatGateway{
		gateway("nat-stack", "available"), gateway("nat-added", "available"), gateway("nat-new", "pending"), gateway("nat-gone", "deleted"), gateway("nat-broken", "failed"),
	}}, r.err
}

func (r routed) DescribeVpnGateways(_ context.Context, in *ec2.DescribeVpnGatewaysInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpnGatewaysOutput, error) {
	if len(in.Filters) != 1 || *in.Filters[0].Name != "attachment.vpc-id" || !slices.Equal(in.Filters[0].Values, []string{"vpc-1"}) {
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue"}
	}
	gateway := func(id string, vpc *string, state types.AttachmentStatus) types.VpnGateway {
		return types.VpnGateway{VpnGatewayId: &id, VpcAttachments: []types.VpcAttachment{{VpcId: vpc, State: state}}}
	}
	return &ec2.DescribeVpnGatewaysOutput{VpnGateways: []types.VpnGateway{
		gateway("vgw-here", near, "attached"), gateway("vgw-coming", near, "attaching"), gateway("vgw-was-here", near, "detached"), gateway("vgw-far", far, "attached"),
	}}, r.err
}

func (r routed) DescribeEgressOnlyInternetGateways(context.Context, *ec2.DescribeEgressOnlyInternetGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeEgressOnlyInternetGatewaysOutput, error) {
	gateway := func(id string, vpc *string) types.EgressOnlyInternetGateway {
		return types.EgressOnlyInternetGateway{EgressOnlyInternetGatewayId: &id, Attachments: []types.InternetGatewayAttachment{{VpcId: vpc, State: "attached"}}}
	}
	return &ec2.DescribeEgressOnlyInternetGatewaysOutput{EgressOnlyInternetGateways: []types.EgressOnlyInternetGateway{gateway("eigw-here", near), gateway("eigw-far", far)}}, r.err
}

func (r routed) DescribeVpcPeeringConnections(_ context.Context, in *ec2.DescribeVpcPeeringConnectionsInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcPeeringConnectionsOutput, error) {
	out := &ec2.DescribeVpcPeeringConnectionsOutput{}
	for _, p := range []struct {
		id, status string
		from, to   *string
	}{
		{"pcx-asked", "active", near, far}, {"pcx-accepted", "active", far, near}, {"pcx-waits", "pending-acceptance", near, far},
		{"pcx-gone", "deleted", near, far}, {"pcx-rejected", "rejected", near, far}, {"pcx-far", "active", far, far},
	} {
		if slices.Contains(in.Filters[0].Values, p.status) && *in.Filters[0].Name == "status-code" {
			out.VpcPeeringConnections = append(out.VpcPeeringConnections, types.VpcPeeringConnection{
				VpcPeeringConnectionId: &p.id, RequesterVpcInfo: &types.VpcPeeringConnectionVpcInfo{VpcId: p.from}, AccepterVpcInfo: &types.VpcPeeringConnectionVpcInfo{VpcId: p.to},
			})
		}
	}
	return out, r.err
}

// DeleteVpc and DeleteSubnet fail with any of these: https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
func TestForeignWays(t *testing.T) {
	holds := holdings{
		names.NetworkStack: {{ID: "rtb-stack", Type: "AWS::EC2::RouteTable"}},
		names.EgressStack:  {{ID: "nat-stack", Type: "AWS::EC2::NatGateway"}},
	}
	looks := func(api networkAPI) map[string]func(context.Context, holdings) ([]string, error) {
		n := network{api: api, cluster: "opa-dev-cluster", vpc: "vpc-1"}
		return map[string]func(context.Context, holdings) ([]string, error){
			"route tables": n.foreignRouteTables, "ACLs": n.foreignACLs, "NAT gateways": n.foreignNATGateways, "VPN gateways": n.foreignVPNGateways,
			"egress gateways": n.foreignEgressGateways, "peerings": n.foreignPeerings,
		}
	}
	want := map[string][]string{
		"route tables":    {"route table rtb-added"},
		"ACLs":            {"network ACL acl-added"},
		"NAT gateways":    {"NAT gateway nat-added", "NAT gateway nat-new"},
		"VPN gateways":    {"VPN gateway vgw-here", "VPN gateway vgw-coming"},
		"egress gateways": {"egress-only internet gateway eigw-here"},
		"peerings":        {"VPC peering connection pcx-asked", "VPC peering connection pcx-accepted", "VPC peering connection pcx-waits"},
	}
	for name, look := range looks(routed{}) {
		got, err := look(t.Context(), holds)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, look := range looks(routed{err: &smithy.GenericAPIError{Code: "UnauthorizedOperation"}}) {
		if _, err := look(t.Context(), holds); fault.CodeOf(err) != fault.AccessDenied {
			t.Errorf("%s: what cannot be seen is not none: %v", name, err)
		}
	}
}
