package vpc_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

var (
	_ vpc.API    = (*ec2.Client)(nil)
	_ vpc.TagAPI = (*ec2.Client)(nil)
)

// account answers for EC2 in an account with one VPC.
type account struct {
	missing   error
	tables    []types.RouteTable
	subnets   []types.Subnet
	endpoints []types.VpcEndpoint
	groups    []types.SecurityGroup
	resolvers []string
	denied    bool
}

func (a account) DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	if a.missing != nil {
		return nil, a.missing
	}
	return &ec2.DescribeVpcsOutput{Vpcs: []types.Vpc{{
		OwnerId: aws.String("222222222222"), DhcpOptionsId: aws.String("dopt-1"), CidrBlock: aws.String("10.0.0.0/16"),
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{
			{CidrBlock: aws.String("10.0.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}},
			{CidrBlock: aws.String("10.9.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeDisassociated}},
			{CidrBlock: aws.String("100.64.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}},
		},
	}}}, nil
}

// DescribeVpcEndpointServices has every service that is asked for in every zone of the region.
func (a account) DescribeVpcEndpointServices(_ context.Context, in *ec2.DescribeVpcEndpointServicesInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointServicesOutput, error) {
	var details []types.ServiceDetail
	for _, name := range in.Filters[0].Values {
		details = append(details, types.ServiceDetail{ServiceName: &name, AvailabilityZones: []string{"us-east-1a", "us-east-1b", "us-east-1c"}})
	}
	return &ec2.DescribeVpcEndpointServicesOutput{ServiceDetails: details}, nil
}

func (a account) DescribeVpcAttribute(_ context.Context, in *ec2.DescribeVpcAttributeInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcAttributeOutput, error) {
	if in.Attribute == types.VpcAttributeNameEnableDnsSupport {
		return &ec2.DescribeVpcAttributeOutput{EnableDnsSupport: &types.AttributeBooleanValue{Value: aws.Bool(true)}}, nil
	}
	return &ec2.DescribeVpcAttributeOutput{EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(false)}}, nil
}

func (a account) DescribeDhcpOptions(context.Context, *ec2.DescribeDhcpOptionsInput, ...func(*ec2.Options)) (*ec2.DescribeDhcpOptionsOutput, error) {
	var values []types.AttributeValue
	for _, r := range a.resolvers {
		values = append(values, types.AttributeValue{Value: aws.String(r)})
	}
	return &ec2.DescribeDhcpOptionsOutput{DhcpOptions: []types.DhcpOptions{{DhcpConfigurations: []types.DhcpConfiguration{{Key: aws.String("domain-name-servers"), Values: values}}}}}, nil
}

func (a account) DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	if a.denied {
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation"}
	}
	return &ec2.DescribeSubnetsOutput{Subnets: a.subnets}, nil
}

func (a account) DescribeRouteTables(context.Context, *ec2.DescribeRouteTablesInput, ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error) {
	return &ec2.DescribeRouteTablesOutput{RouteTables: a.tables}, nil
}

func (a account) DescribeNatGateways(context.Context, *ec2.DescribeNatGatewaysInput, ...func(*ec2.Options)) (*ec2.DescribeNatGatewaysOutput, error) {
	gateway := func(id string, state types.NatGatewayState, kind types.ConnectivityType) types.NatGateway {
		return types.NatGateway{NatGatewayId: &id, State: state, ConnectivityType: kind}
	}
	return &ec2.DescribeNatGatewaysOutput{NatGateways: []types.NatGateway{
		gateway("nat-good", types.NatGatewayStateAvailable, types.ConnectivityTypePublic),
		gateway("nat-failed", types.NatGatewayStateFailed, types.ConnectivityTypePublic),
		gateway("nat-private", types.NatGatewayStateAvailable, types.ConnectivityTypePrivate),
	}}, nil
}

func (a account) DescribeVpcEndpoints(context.Context, *ec2.DescribeVpcEndpointsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error) {
	return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: a.endpoints}, nil
}

func (a account) DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: a.groups}, nil
}

// table is a route table of the subnets whose default route is the given one.
func table(id string, route types.Route, subnets ...string) types.RouteTable {
	local := types.Route{DestinationCidrBlock: aws.String("10.0.0.0/16"), GatewayId: aws.String("local")}
	t := types.RouteTable{RouteTableId: &id, Routes: []types.Route{local, route}}
	for _, s := range subnets {
		t.Associations = append(t.Associations, types.RouteTableAssociation{SubnetId: &s})
	}
	return t
}

// A subnet is what its default route makes of it, whatever its tags say.
func TestReadClassifiesByRoutes(t *testing.T) {
	everything := func(r types.Route) types.Route {
		r.DestinationCidrBlock = aws.String("0.0.0.0/0")
		return r
	}
	main := table("rtb-main", everything(types.Route{NatGatewayId: aws.String("nat-good")}))
	main.Associations = []types.RouteTableAssociation{{Main: aws.Bool(true)}}
	cases := map[string]struct {
		reason string
		route  *types.Route
		want   vpc.Way
	}{
		"InternetGateway": {"a public subnet", &types.Route{GatewayId: aws.String("igw-1")}, vpc.InternetGateway},
		"NAT":             {"a private subnet", &types.Route{NatGatewayId: aws.String("nat-good")}, vpc.NATGateway},
		"NATFailed":       {"a gateway that never worked", &types.Route{NatGatewayId: aws.String("nat-failed")}, vpc.Isolated},
		"NATGone":         {"a gateway that was deleted", &types.Route{NatGatewayId: aws.String("nat-gone")}, vpc.Isolated},
		"Blackhole":       {"as EC2 says it itself", &types.Route{TransitGatewayId: aws.String("tgw-1"), State: types.RouteStateBlackhole}, vpc.Isolated},
		"NATPrivate":      {"leads to other networks", &types.Route{NatGatewayId: aws.String("nat-private")}, vpc.Elsewhere},
		"TransitGateway":  {"a central way out, perhaps", &types.Route{TransitGatewayId: aws.String("tgw-1")}, vpc.Elsewhere},
		"VPN":             {"a virtual private gateway", &types.Route{GatewayId: aws.String("vgw-1")}, vpc.Elsewhere},
		"Appliance":       {"a NAT instance", &types.Route{NetworkInterfaceId: aws.String("eni-1")}, vpc.Elsewhere},
		"Main":            {"without a table of its own the main one counts", nil, vpc.NATGateway},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := account{tables: []types.RouteTable{main}, subnets: []types.Subnet{{
				SubnetId: aws.String("subnet-1"), AvailabilityZone: aws.String("us-east-1a"), AvailabilityZoneId: aws.String("use1-az1"),
				CidrBlock: aws.String("10.0.1.0/24"), AvailableIpAddressCount: aws.Int32(7), State: types.SubnetStateAvailable,
				Tags: []types.Tag{{Key: aws.String("aws-cdk:subnet-type"), Value: aws.String("Public")}},
			}}}
			inEffect := "rtb-main"
			if tc.route != nil {
				inEffect = "rtb-own"
				a.tables = append(a.tables, table(inEffect, everything(*tc.route), "subnet-1"))
			}
			v, ok, err := vpc.Read(t.Context(), a, "vpc-1")
			if err != nil || !ok {
				t.Fatalf("%s: %v, %v", tc.reason, ok, err)
			}
			want := []vpc.Subnet{{
				ID: "subnet-1", Zone: "us-east-1a", ZoneID: "use1-az1", Block: netip.MustParsePrefix("10.0.1.0/24"), Free: 7,
				Way: tc.want, Hub: name == "TransitGateway", Direct: tc.want == vpc.InternetGateway, RouteTable: inEffect, Tags: map[string]string{"aws-cdk:subnet-type": "Public"},
			}}
			if diff := cmp.Diff(want, v.Subnets, comparePrefixes()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A way to an internet gateway for some addresses does not make a subnet public, but Fargate takes none.
func TestReadSeesDirectRoutes(t *testing.T) {
	nat := types.Route{DestinationCidrBlock: aws.String("0.0.0.0/0"), NatGatewayId: aws.String("nat-good")}
	direct := table("rtb-direct", nat, "subnet-1")
	direct.Routes = append(direct.Routes, types.Route{DestinationIpv6CidrBlock: aws.String("::/0"), GatewayId: aws.String("igw-1")})
	private := table("rtb-private", nat, "subnet-2")
	private.Routes = append(private.Routes, types.Route{DestinationPrefixListId: aws.String("pl-1"), GatewayId: aws.String("vpce-1")})
	a := account{tables: []types.RouteTable{direct, private}}
	for _, id := range []string{"subnet-1", "subnet-2"} {
		a.subnets = append(a.subnets, types.Subnet{SubnetId: aws.String(id), AvailabilityZoneId: aws.String("use1-az1"), CidrBlock: aws.String("10.0.1.0/24"), State: types.SubnetStateAvailable})
	}
	v, _, err := vpc.Read(t.Context(), a, "vpc-1")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if s := v.Subnets[i]; s.Direct != want || s.Way != vpc.NATGateway {
			t.Errorf("%s: direct is %v, way %s", s.ID, s.Direct, s.Way)
		}
	}
}

func comparePrefixes() cmp.Option {
	return cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
}

// Zones of EKS by aws-traps.md, row 1.19.
func TestReadKnowsUnusableSubnets(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*types.Subnet)
		usable bool
	}{
		"Ordinary": {"nothing is wrong", func(*types.Subnet) {}, true},
		"Zone":     {"EKS places nothing there", func(s *types.Subnet) { s.AvailabilityZoneId = aws.String("use1-az3") }, false},
		"Local":    {"a local zone", func(s *types.Subnet) { s.AvailabilityZoneId = aws.String("use1-bos1-az1") }, false},
		"Outpost":  {"an Outpost", func(s *types.Subnet) { s.OutpostArn = aws.String("arn:aws:outposts:o") }, false},
		"IPv6":     {"no IPv4", func(s *types.Subnet) { s.CidrBlock, s.Ipv6Native = nil, aws.Bool(true) }, false},
		"Pending":  {"being made", func(s *types.Subnet) { s.State = types.SubnetStatePending }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := types.Subnet{SubnetId: aws.String("subnet-1"), AvailabilityZoneId: aws.String("use1-az1"), CidrBlock: aws.String("10.0.1.0/24"), State: types.SubnetStateAvailable}
			tc.change(&s)
			v, _, err := vpc.Read(t.Context(), account{subnets: []types.Subnet{s}}, "vpc-1")
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Subnets[0].Unusable == ""; got != tc.usable {
				t.Errorf("%s: %q", tc.reason, v.Subnets[0].Unusable)
			}
		})
	}
}

func TestRead(t *testing.T) {
	permission := func(protocol string, from, to int32, block string) types.IpPermission {
		return types.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to, IpRanges: []types.IpRange{{CidrIp: &block}}}
	}
	ids := func(ids ...string) (groups []types.SecurityGroupIdentifier) {
		for _, id := range ids {
			groups = append(groups, types.SecurityGroupIdentifier{GroupId: &id})
		}
		return groups
	}
	a := account{
		resolvers: []string{"10.0.0.2"},
		groups: []types.SecurityGroup{
			{GroupId: aws.String("sg-1"), IpPermissions: []types.IpPermission{permission("tcp", 443, 443, "10.0.0.0/16"), permission("tcp", 80, 80, "10.1.0.0/16")}},
			{GroupId: aws.String("sg-3"), IpPermissions: []types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), PrefixListIds: []types.PrefixListId{{PrefixListId: aws.String("pl-1")}},
			}}},
			{GroupId: aws.String("sg-2"), IpPermissions: []types.IpPermission{permission("-1", 0, 0, "10.2.0.0/16"), permission("udp", 0, 1000, "10.3.0.0/16")}},
		},
		endpoints: []types.VpcEndpoint{
			{VpcEndpointId: aws.String("vpce-1"), VpcId: aws.String("vpc-1"), State: "available", ServiceName: aws.String("com.amazonaws.us-east-1.ecr.api"), VpcEndpointType: types.VpcEndpointTypeInterface, PrivateDnsEnabled: aws.Bool(true), Groups: ids("sg-1", "sg-2", "sg-3")},
			{VpcEndpointId: aws.String("vpce-2"), VpcId: aws.String("vpc-1"), State: "available", ServiceName: aws.String("com.amazonaws.us-east-1.s3"), VpcEndpointType: types.VpcEndpointTypeGateway, RouteTableIds: []string{"rtb-1"}},
			{VpcEndpointId: aws.String("vpce-3"), VpcId: aws.String("vpc-1"), State: "deleting", ServiceName: aws.String("com.amazonaws.us-east-1.sts")},
			{VpcEndpointId: aws.String("vpce-4"), VpcId: aws.String("vpc-2"), State: "available", ServiceName: aws.String("com.amazonaws.us-east-1.sts")},
		},
	}
	got, ok, err := vpc.Read(t.Context(), a, "vpc-1")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	block := netip.MustParsePrefix
	want := vpc.VPC{
		ID: "vpc-1", OwnerID: "222222222222", Blocks: []netip.Prefix{block("10.0.0.0/16"), block("100.64.0.0/16")}, DNSSupport: true,
		Endpoints: []vpc.Endpoint{
			{ID: "vpce-1", Service: "ecr.api", PrivateDNS: true, Admits: []netip.Prefix{block("10.0.0.0/16"), block("10.2.0.0/16")}, Lists: true, Tags: map[string]string{}},
			{ID: "vpce-2", Service: "s3", Gateway: true, RouteTables: []string{"rtb-1"}, Tags: map[string]string{}},
		},
	}
	if diff := cmp.Diff(want, got, comparePrefixes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadFails(t *testing.T) {
	if _, ok, err := vpc.Read(t.Context(), account{missing: &smithy.GenericAPIError{Code: "InvalidVpcID.NotFound"}}, "vpc-9"); ok || err != nil {
		t.Errorf("a VPC of another region: found is %v, %v", ok, err)
	}
	if _, _, err := vpc.Read(t.Context(), account{denied: true}, "vpc-1"); fault.CodeOf(err) != fault.AccessDenied {
		t.Errorf("a call that is not allowed: %v", err)
	}
}

// A VPC of another region or account cannot be used.
func TestSurvey(t *testing.T) {
	r := request(nil)
	report, err := vpc.Survey(t.Context(), account{missing: &smithy.GenericAPIError{Code: "InvalidVpcID.NotFound"}}, r, nil, false)
	if err != nil || len(report) != 1 || report[0].Code != "InvalidRequest" || report[0].Found != "account 222222222222 has no VPC vpc-1 in us-east-1" {
		t.Errorf("missing: %v, %v", report, err)
	}
	r.AccountID = "333333333333"
	report, err = vpc.Survey(t.Context(), account{}, r, nil, false)
	if err != nil || len(report) != 1 || report[0].Field != "/vpcId" {
		t.Errorf("shared: %v, %v", report, err)
	}
}

// tagger remembers what was asked of EC2.
type tagger struct{ calls []string }

func (g *tagger) CreateTags(_ context.Context, in *ec2.CreateTagsInput, _ ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error) {
	for _, id := range in.Resources {
		g.calls = append(g.calls, "+"+id+" "+*in.Tags[0].Key+"="+*in.Tags[0].Value)
	}
	return &ec2.CreateTagsOutput{}, nil
}

func (g *tagger) DeleteTags(_ context.Context, in *ec2.DeleteTagsInput, _ ...func(*ec2.Options)) (*ec2.DeleteTagsOutput, error) {
	g.calls = append(g.calls, "-"+in.Resources[0]+" "+*in.Tags[0].Key+"="+*in.Tags[0].Value)
	if in.Resources[0] == "subnet-gone" {
		return nil, &smithy.GenericAPIError{Code: "InvalidSubnetID.NotFound"}
	}
	return &ec2.DeleteTagsOutput{}, nil
}

// Keys and values by kubectl-protocol.md, section 4.5.
func TestTags(t *testing.T) {
	bare := func(s vpc.Subnet) vpc.Subnet {
		s.Tags = map[string]string{"Name": s.ID}
		return s
	}
	c := vpc.Choice{
		Public:  []vpc.Subnet{bare(subnet("p", 1, vpc.InternetGateway)), subnet("p2", 2, vpc.InternetGateway)},
		Private: []vpc.Subnet{bare(subnet("a", 1, vpc.NATGateway)), bare(subnet("b", 2, vpc.NATGateway))},
	}
	missing := vpc.Untagged(c)
	g := &tagger{}
	if err := vpc.Tag(t.Context(), g, missing); err != nil {
		t.Fatal(err)
	}
	written := vpc.WriteTagged(missing)
	read := vpc.ReadTagged(written)
	read["subnet-gone"] = "kubernetes.io/role/elb"
	if err := vpc.Untag(t.Context(), g, read); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"+p kubernetes.io/role/elb=1", "+a kubernetes.io/role/internal-elb=1", "+b kubernetes.io/role/internal-elb=1",
		"-a kubernetes.io/role/internal-elb=1", "-b kubernetes.io/role/internal-elb=1", "-p kubernetes.io/role/elb=1", "-subnet-gone kubernetes.io/role/elb=1",
	}
	if diff := cmp.Diff(want, g.calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(vpc.ReadTagged("")) != 0 {
		t.Error("nothing written, something read")
	}
}
