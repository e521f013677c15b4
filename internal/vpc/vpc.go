package vpc

import (
	"net/netip"
	"regexp"
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// VPC is what EC2 says about a VPC and what is in it.
type VPC struct {
	ID, OwnerID string
	// Blocks are its IPv4 address blocks, the first one first.
	Blocks []netip.Prefix
	// DNSSupport and DNSHostnames are the attributes enableDnsSupport and enableDnsHostnames.
	DNSSupport, DNSHostnames bool
	// AmazonDNS says that the DHCP options name Amazon's own resolver.
	AmazonDNS bool
	// Subnets are in the order of their zones' ids, and of their own within a zone.
	Subnets   []Subnet
	Endpoints []Endpoint
}

// Way is how the traffic of a subnet leaves its VPC: where its default route leads.
type Way string

// The ways.
const (
	// InternetGateway is a public subnet.
	InternetGateway Way = "internet gateway"
	// NATGateway leads to the internet by a NAT gateway.
	NATGateway Way = "NAT gateway"
	// Elsewhere leads to a transit gateway, a VPN, an appliance: EC2 does not say what is behind it.
	Elsewhere Way = "another gateway"
	// Isolated has no default route, or one that leads nowhere.
	Isolated Way = "nowhere"
)

// Subnet is a subnet of a VPC.
type Subnet struct {
	ID string
	// Zone is the availability zone's name, which means another place in each account; ZoneID is its id.
	Zone, ZoneID string
	Block        netip.Prefix
	// Free is how many addresses are free.
	Free int
	Way  Way
	// Direct says that some route leads to an internet gateway, if not the default one.
	Direct bool
	// Hub says that some route leads to a transit gateway.
	Hub bool
	// RouteTable is the one in effect: its own, or the VPC's main one.
	RouteTable string
	// Unusable says why neither EKS nor Lambda can use the subnet; empty: they can.
	Unusable string
	Tags     map[string]string
}

// Endpoint is a VPC endpoint.
type Endpoint struct {
	ID string
	// Service is the last part of the service's name, such as "ecr.api".
	Service string
	// Gateway tells a gateway endpoint from one with network interfaces.
	Gateway bool
	// PrivateDNS says that the service's usual name leads to it.
	PrivateDNS bool
	// RouteTables are those of a gateway endpoint.
	RouteTables []string
	// Admits are the address blocks that may reach an interface endpoint on port 443.
	Admits []netip.Prefix
	// Lists says that prefix lists may, whose entries are not read.
	Lists bool
	Tags  map[string]string
}

// serves reports whether a client in the subnet that calls the service by its usual name reaches the
// endpoint.
func (e Endpoint) serves(s Subnet) bool {
	if e.Gateway {
		return slices.Contains(e.RouteTables, s.RouteTable)
	}
	return e.PrivateDNS && slices.ContainsFunc(e.Admits, func(b netip.Prefix) bool {
		return b.Bits() <= s.Block.Bits() && b.Contains(s.Block.Addr())
	})
}

// of reports whether the endpoint is one that the environment of that name has made.
func (e Endpoint) of(name string) bool { return e.Tags[environment.Tag] == name }

// Existing returns the VPC's endpoint for the service that answers to the service's usual name, made
// by anyone but the environment of that name.
func (v VPC) Existing(service, name string) (Endpoint, bool) {
	for _, e := range v.Endpoints {
		if e.Service == service && e.PrivateDNS && !e.of(name) {
			return e, true
		}
	}
	return Endpoint{}, false
}

// ToMake returns the services that r names and that nobody else has made an endpoint for: a service's
// name leads to one endpoint of a VPC only (aws-traps.md, row 1.54).
func (v VPC) ToMake(r environment.Request) []string {
	return slices.DeleteFunc(slices.Clone(r.InterfaceEndpoints), func(service string) bool {
		_, theirs := v.Existing(service, environment.NamesOf(r).Environment)
		return theirs
	})
}

// zoneID is the id of an availability zone; the ids of local and wavelength zones have more parts.
var zoneID = regexp.MustCompile(`^[a-z]+[0-9]+-az[0-9]+$`)

// RefusedByEKS reports whether EKS places no control plane in the zone with that id
// (https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html; aws-traps.md, row 1.19).
func RefusedByEKS(zoneID string) bool {
	return slices.Contains([]string{"use1-az3", "usw1-az2", "cac1-az3"}, zoneID)
}

// RefusedByFargate reports whether Fargate starts no pods in the zone with that id, although EKS places
// control planes there (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html).
func RefusedByFargate(zoneID string) bool { return zoneID == "apne1-az3" }
