package vpc

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// API is what is read of EC2.
type API interface {
	DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsInput, opts ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	DescribeVpcAttribute(ctx context.Context, in *ec2.DescribeVpcAttributeInput, opts ...func(*ec2.Options)) (*ec2.DescribeVpcAttributeOutput, error)
	DescribeDhcpOptions(ctx context.Context, in *ec2.DescribeDhcpOptionsInput, opts ...func(*ec2.Options)) (*ec2.DescribeDhcpOptionsOutput, error)
	DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput, opts ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
	DescribeRouteTables(ctx context.Context, in *ec2.DescribeRouteTablesInput, opts ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error)
	DescribeNatGateways(ctx context.Context, in *ec2.DescribeNatGatewaysInput, opts ...func(*ec2.Options)) (*ec2.DescribeNatGatewaysOutput, error)
	DescribeVpcEndpoints(ctx context.Context, in *ec2.DescribeVpcEndpointsInput, opts ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error)
	DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, opts ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
}

// Read looks at the VPC. ok is false where the account has none of that id in that region.
func Read(ctx context.Context, api API, id string) (v VPC, ok bool, err error) {
	out, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	// An id that cannot be one ("InvalidVpcId.Malformed") is none either.
	if strings.HasPrefix(awsfault.NameOf(err), "InvalidVpc") {
		return VPC{}, false, nil
	}
	if err != nil {
		return VPC{}, false, account.Classify(err, "read %s", id)
	}
	if len(out.Vpcs) == 0 {
		return VPC{}, false, nil
	}
	found := out.Vpcs[0]
	v = VPC{ID: id, OwnerID: aws.ToString(found.OwnerId)}
	for _, a := range found.CidrBlockAssociationSet {
		if a.CidrBlockState == nil || a.CidrBlockState.State == types.VpcCidrBlockStateCodeAssociated {
			v.Blocks = appendBlock(v.Blocks, aws.ToString(a.CidrBlock))
		}
	}
	if len(v.Blocks) == 0 {
		v.Blocks = appendBlock(nil, aws.ToString(found.CidrBlock))
	}
	r := reader{api: api, vpc: id}
	v.DNSSupport, v.DNSHostnames = r.attribute(ctx, types.VpcAttributeNameEnableDnsSupport), r.attribute(ctx, types.VpcAttributeNameEnableDnsHostnames)
	v.AmazonDNS = r.amazonDNS(ctx, aws.ToString(found.DhcpOptionsId))
	v.Subnets = r.subnets(ctx)
	v.Endpoints = r.endpoints(ctx)
	return v, true, r.err
}

// reader reads what is in one VPC, until the first error.
type reader struct {
	api API
	vpc string
	err error
}

// failed keeps the first error.
func (r *reader) failed(err error, what string) bool {
	if err != nil && r.err == nil {
		r.err = account.Classify(err, "read the %s of %s", what, r.vpc)
	}
	return r.err != nil
}

func (r *reader) inVPC() []types.Filter {
	return []types.Filter{{Name: aws.String("vpc-id"), Values: []string{r.vpc}}}
}

func (r *reader) attribute(ctx context.Context, name types.VpcAttributeName) bool {
	if r.err != nil {
		return false
	}
	out, err := r.api.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &r.vpc, Attribute: name})
	if r.failed(err, "DNS attributes") {
		return false
	}
	for _, value := range []*types.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
		if value != nil && aws.ToBool(value.Value) {
			return true
		}
	}
	return false
}

// amazonDNS says whether the DHCP options name Amazon's resolver. Options that EC2 does not show are
// those that every region has from the start, which do.
func (r *reader) amazonDNS(ctx context.Context, options string) bool {
	if r.err != nil || !strings.HasPrefix(options, "dopt-") {
		return true
	}
	out, err := r.api.DescribeDhcpOptions(ctx, &ec2.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{options}})
	if r.failed(err, "DHCP options") || len(out.DhcpOptions) == 0 {
		return true
	}
	for _, c := range out.DhcpOptions[0].DhcpConfigurations {
		if aws.ToString(c.Key) == "domain-name-servers" {
			return slices.ContainsFunc(c.Values, func(v types.AttributeValue) bool { return aws.ToString(v.Value) == "AmazonProvidedDNS" })
		}
	}
	return false
}

func (r *reader) subnets(ctx context.Context) []Subnet {
	if r.err != nil {
		return nil
	}
	var tables []types.RouteTable
	for p := ec2.NewDescribeRouteTablesPaginator(r.api, &ec2.DescribeRouteTablesInput{Filters: r.inVPC()}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if r.failed(err, "route tables") {
			return nil
		}
		tables = append(tables, page.RouteTables...)
	}
	gateways := map[string]types.ConnectivityType{}
	for p := ec2.NewDescribeNatGatewaysPaginator(r.api, &ec2.DescribeNatGatewaysInput{Filter: r.inVPC()}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if r.failed(err, "NAT gateways") {
			return nil
		}
		for _, g := range page.NatGateways {
			if g.State == types.NatGatewayStateAvailable {
				gateways[aws.ToString(g.NatGatewayId)] = g.ConnectivityType
			}
		}
	}
	var all []Subnet
	for p := ec2.NewDescribeSubnetsPaginator(r.api, &ec2.DescribeSubnetsInput{Filters: r.inVPC()}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if r.failed(err, "subnets") {
			return nil
		}
		for _, s := range page.Subnets {
			table := tableOf(aws.ToString(s.SubnetId), tables)
			all = append(all, subnetOf(s, table, wayOf(table, gateways)))
		}
	}
	slices.SortFunc(all, func(a, b Subnet) int { return cmp.Or(cmp.Compare(a.ZoneID, b.ZoneID), cmp.Compare(a.ID, b.ID)) })
	return all
}

func subnetOf(s types.Subnet, table types.RouteTable, way Way) Subnet {
	block, _ := netip.ParsePrefix(aws.ToString(s.CidrBlock)) // one without IPv4 is unusable
	return Subnet{
		ID: aws.ToString(s.SubnetId), Zone: aws.ToString(s.AvailabilityZone), ZoneID: aws.ToString(s.AvailabilityZoneId),
		Block: block, Free: int(aws.ToInt32(s.AvailableIpAddressCount)),
		Way: way, Direct: direct(table), Hub: hub(table), RouteTable: aws.ToString(table.RouteTableId), Unusable: unusable(s), Tags: TagsOf(s.Tags),
	}
}

func (r *reader) endpoints(ctx context.Context) []Endpoint {
	if r.err != nil {
		return nil
	}
	var found []types.VpcEndpoint
	var groups []string
	for p := ec2.NewDescribeVpcEndpointsPaginator(r.api, &ec2.DescribeVpcEndpointsInput{Filters: r.inVPC()}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if r.failed(err, "endpoints") {
			return nil
		}
		for _, e := range page.VpcEndpoints {
			// The filter is EC2's to obey, and what it cost to trust it would be seen in the wrong VPC.
			if aws.ToString(e.VpcId) == r.vpc && strings.EqualFold(string(e.State), string(types.StateAvailable)) {
				found, groups = append(found, e), append(groups, groupsOf(e)...)
			}
		}
	}
	rules := r.groups(ctx, groups)
	var all []Endpoint
	for _, e := range found {
		all = append(all, endpointOf(e, rules))
	}
	return all
}

// groups reads the security groups with the ids.
func (r *reader) groups(ctx context.Context, ids []string) []types.SecurityGroup {
	if r.err != nil || len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	var all []types.SecurityGroup
	for batch := range slices.Chunk(slices.Compact(ids), 100) {
		out, err := r.api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: batch})
		if r.failed(err, "endpoints' security groups") {
			return nil
		}
		all = append(all, out.SecurityGroups...)
	}
	return all
}

func groupsOf(e types.VpcEndpoint) []string {
	var ids []string
	for _, g := range e.Groups {
		ids = append(ids, aws.ToString(g.GroupId))
	}
	return ids
}

func endpointOf(e types.VpcEndpoint, groups []types.SecurityGroup) Endpoint {
	// com.amazonaws.{region}.{service}
	service := aws.ToString(e.ServiceName)
	if parts := strings.SplitN(service, ".", 4); len(parts) == 4 {
		service = parts[3]
	}
	endpoint := Endpoint{
		ID: aws.ToString(e.VpcEndpointId), Service: service, Gateway: e.VpcEndpointType == types.VpcEndpointTypeGateway,
		PrivateDNS: aws.ToBool(e.PrivateDnsEnabled), RouteTables: e.RouteTableIds, Tags: TagsOf(e.Tags),
	}
	blocks, lists := admitted(groups, groupsOf(e))
	endpoint.Lists = lists
	for _, text := range blocks {
		endpoint.Admits = appendBlock(endpoint.Admits, text)
	}
	return endpoint
}

func appendBlock(blocks []netip.Prefix, text string) []netip.Prefix {
	if b, err := netip.ParsePrefix(text); err == nil {
		blocks = append(blocks, b)
	}
	return blocks
}

// TagsOf are the tags of a resource of EC2, by key.
func TagsOf(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// Missing is the fault of a VPC that is not there.
func Missing(id, accountID, region string) error {
	return fault.New(fault.InvalidRequest, "account %s has no VPC %s in %s", accountID, id, region).
		WithField("/vpcId").WithNext("name a VPC of that account and region: aws ec2 describe-vpcs --region %s", region)
}
