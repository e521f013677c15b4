package vpc

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// tableOf returns the route table that is in effect for the subnet: its own, or the main one.
func tableOf(subnet string, tables []types.RouteTable) types.RouteTable {
	var main types.RouteTable
	for _, t := range tables {
		for _, a := range t.Associations {
			if aws.ToString(a.SubnetId) == subnet {
				return t
			}
			if aws.ToBool(a.Main) {
				main = t
			}
		}
	}
	return main
}

// wayOf says where the table's default route leads. gateways are the NAT gateways that work and have a
// public address: one that was deleted or failed leads nowhere, a private one to other networks.
func wayOf(table types.RouteTable, gateways map[string]types.ConnectivityType) Way {
	for _, r := range table.Routes {
		if aws.ToString(r.DestinationCidrBlock) != "0.0.0.0/0" || r.State == types.RouteStateBlackhole {
			continue
		}
		switch {
		case strings.HasPrefix(aws.ToString(r.GatewayId), "igw-"):
			return InternetGateway
		case r.NatGatewayId != nil:
			kind, works := gateways[*r.NatGatewayId]
			switch {
			case !works:
				return Isolated
			case kind == types.ConnectivityTypePrivate:
				return Elsewhere
			}
			return NATGateway
		default:
			return Elsewhere
		}
	}
	return Isolated
}

// direct reports whether a route of the table leads to an internet gateway, for whichever addresses.
func direct(table types.RouteTable) bool {
	return slices.ContainsFunc(table.Routes, func(r types.Route) bool { return strings.HasPrefix(aws.ToString(r.GatewayId), "igw-") })
}

// hub reports whether a route of the table leads to a transit gateway.
func hub(table types.RouteTable) bool {
	return slices.ContainsFunc(table.Routes, func(r types.Route) bool {
		return aws.ToString(r.TransitGatewayId) != "" && r.State != types.RouteStateBlackhole
	})
}

// unusable says why EKS and Lambda cannot use a subnet.
func unusable(s types.Subnet) string {
	switch zone := aws.ToString(s.AvailabilityZoneId); {
	case s.State != types.SubnetStateAvailable:
		return "it is not available yet"
	case s.OutpostArn != nil:
		return "it is on an Outpost"
	case aws.ToBool(s.Ipv6Native) || aws.ToString(s.CidrBlock) == "":
		return "it has no IPv4 addresses"
	case !zoneID.MatchString(zone):
		return "its zone " + zone + " is no availability zone"
	case RefusedByEKS(zone):
		return "EKS does not accept its zone " + zone
	}
	return ""
}

// admitted are the address blocks that the security groups let in on port 443, and whether they let in
// prefix lists. What they let in from other groups is not among them: whoever calls from the VPC has an
// address, and not always that group.
func admitted(groups []types.SecurityGroup, ids []string) (blocks []string, lists bool) {
	for _, g := range groups {
		if !slices.Contains(ids, aws.ToString(g.GroupId)) {
			continue
		}
		for _, p := range g.IpPermissions {
			if !https(p) {
				continue
			}
			for _, r := range p.IpRanges {
				blocks = append(blocks, aws.ToString(r.CidrIp))
			}
			lists = lists || len(p.PrefixListIds) > 0
		}
	}
	return blocks, lists
}

func https(p types.IpPermission) bool {
	switch aws.ToString(p.IpProtocol) {
	case "-1":
		return true
	case "tcp", "6":
		return aws.ToInt32(p.FromPort) <= 443 && 443 <= aws.ToInt32(p.ToPort)
	}
	return false
}
