package preflight

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// networkAPI is what counts a region's networks.
type networkAPI interface {
	ec2.DescribeVpcsAPIClient
	ec2.DescribeInternetGatewaysAPIClient
	ec2.DescribeVpcEndpointsAPIClient
	ec2.DescribeNatGatewaysAPIClient
	ec2.DescribeSubnetsAPIClient
	DescribeAddresses(ctx context.Context, in *ec2.DescribeAddressesInput, opts ...func(*ec2.Options)) (*ec2.DescribeAddressesOutput, error)
}

// networkQuotas looks whether there is room for the VPC and its ways out. The codes are Service
// Quotas' own: aws service-quotas list-service-quotas --service-code vpc (or ec2).
func networkQuotas(ctx context.Context, s subject) ([]finding.Finding, error) {
	needs := networkNeeds(ec2.NewFromConfig(s.config), s)
	return compare(ctx, servicequotas.NewFromConfig(s.config), s.request.Region, needs)
}

func networkNeeds(api networkAPI, s subject) []need {
	if s.request.VPCConfiguration != environment.VPCCreateNew {
		return nil
	}
	in := " in " + s.request.Region
	var needs []need
	if !s.exists(s.names.NetworkStack) {
		needs = append(needs,
			need{"VPCs" + in, "vpc", "L-F678F1CE", "/vpcConfiguration", 1, 1, func(ctx context.Context) (int, error) {
				pages := ec2.NewDescribeVpcsPaginator(api, &ec2.DescribeVpcsInput{})
				return total(ctx, pages.HasMorePages, func(ctx context.Context) (int, error) {
					p, err := pages.NextPage(ctx)
					if err != nil {
						return 0, err
					}
					return len(p.Vpcs), nil
				})
			}},
			need{"internet gateways" + in, "vpc", "L-A4707A72", "/vpcConfiguration", 1, 1, func(ctx context.Context) (int, error) {
				pages := ec2.NewDescribeInternetGatewaysPaginator(api, &ec2.DescribeInternetGatewaysInput{})
				return total(ctx, pages.HasMorePages, func(ctx context.Context) (int, error) {
					p, err := pages.NextPage(ctx)
					if err != nil {
						return 0, err
					}
					return len(p.InternetGateways), nil
				})
			}},
		)
	}
	if !s.exists(s.names.EgressStack) {
		needs = append(needs, need{"gateway endpoints" + in, "vpc", "L-1B52E74A", "/vpcConfiguration", 2, 2, func(ctx context.Context) (int, error) {
			pages := ec2.NewDescribeVpcEndpointsPaginator(api, &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{
				{Name: aws.String("vpc-endpoint-type"), Values: []string{"Gateway"}},
			}})
			return total(ctx, pages.HasMorePages, func(ctx context.Context) (int, error) {
				p, err := pages.NextPage(ctx)
				if err != nil {
					return 0, err
				}
				return len(p.VpcEndpoints), nil
			})
		}})
	}
	return append(needs, natNeeds(api, s)...)
}

// natNeeds are the addresses and, in each zone, the NAT gateways that are to come.
func natNeeds(api networkAPI, s subject) []need {
	zones := gatewayZones(s.request.NATGateways, s.zones)
	live := s.stacks[s.names.EgressStack].Parameters
	if count, err := strconv.Atoi(live["ZoneCount"]); err == nil {
		have := gatewayZones(live["NatGateways"], s.zones[:min(count, len(s.zones))])
		zones = slices.DeleteFunc(slices.Clone(zones), func(z string) bool { return slices.Contains(have, z) })
	}
	if len(zones) == 0 {
		return nil
	}
	needs := []need{{"elastic IP addresses in " + s.request.Region, "ec2", "L-0263D0A3", "/natGateways", len(zones), len(zones), func(ctx context.Context) (int, error) {
		out, err := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
		if err != nil {
			return 0, err
		}
		return len(out.Addresses), nil
	}}}
	for _, zone := range zones {
		needs = append(needs, need{fmt.Sprintf("NAT gateways in the zone %s", zone), "vpc", "L-FE5A380F", "/natGateways", 1, 1, func(ctx context.Context) (int, error) {
			return gatewaysIn(ctx, api, zone)
		}})
	}
	return needs
}

// gatewayZones are the zones with a NAT gateway: the first one or all.
func gatewayZones(mode string, zones []string) []string {
	if mode == environment.NATPerAZ {
		return zones
	}
	return zones[:min(1, len(zones))]
}

// gatewaysIn counts the NAT gateways of a zone, which they have by their subnet.
func gatewaysIn(ctx context.Context, api networkAPI, zone string) (int, error) {
	inZone := map[string]bool{}
	subnets := ec2.NewDescribeSubnetsPaginator(api, &ec2.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: aws.String("availability-zone"), Values: []string{zone}},
	}})
	for subnets.HasMorePages() {
		page, err := subnets.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		for _, subnet := range page.Subnets {
			inZone[aws.ToString(subnet.SubnetId)] = true
		}
	}
	gateways := ec2.NewDescribeNatGatewaysPaginator(api, &ec2.DescribeNatGatewaysInput{})
	return total(ctx, gateways.HasMorePages, func(ctx context.Context) (int, error) {
		page, err := gateways.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		count := 0
		for _, g := range page.NatGateways {
			// A gateway that failed or is gone counts no more.
			if inZone[aws.ToString(g.SubnetId)] && g.State != types.NatGatewayStateDeleted && g.State != types.NatGatewayStateFailed {
				count++
			}
		}
		return count, nil
	})
}

// clusterQuota looks whether there is room for a cluster.
func clusterQuota(ctx context.Context, s subject) ([]finding.Finding, error) {
	if s.live != "" {
		return nil, nil
	}
	pages := eks.NewListClustersPaginator(eks.NewFromConfig(s.config), &eks.ListClustersInput{})
	return compare(ctx, servicequotas.NewFromConfig(s.config), s.request.Region, []need{
		{"EKS clusters in " + s.request.Region, "eks", "L-1194D53C", "/awsRegion", 1, 1, func(ctx context.Context) (int, error) {
			return total(ctx, pages.HasMorePages, func(ctx context.Context) (int, error) {
				p, err := pages.NextPage(ctx)
				if err != nil {
					return 0, err
				}
				return len(p.Clusters), nil
			})
		}},
	})
}
