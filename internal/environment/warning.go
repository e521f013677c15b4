package environment

import (
	"fmt"
	"net/netip"
)

// Warnings returns what is allowed and may still surprise. r must be valid and have its defaults.
func (r Request) Warnings() []string {
	var all []string
	// The bridge of container engines on the nodes; EKS' user guide, "View Amazon EKS networking
	// requirements", advises against it.
	docker := netip.MustParsePrefix("172.17.0.0/16")
	if block, err := parseBlock(r.CIDR); err == nil && docker.Overlaps(block) {
		all = append(all, fmt.Sprintf("/cidr: %s overlaps %s, which container engines use for their own bridge; processes on such hosts cannot reach the VPC", block, docker))
	}
	// A /24 in three zones leaves private subnets of /27, with 27 addresses each; an endpoint takes one in each.
	const scarce = 27
	if block, err := parseBlock(r.CIDR); err == nil && block.Bits() == smallestBlock && 4*len(r.InterfaceEndpoints) > scarce {
		all = append(all, fmt.Sprintf("/interfaceEndpoints: %d endpoints take as many of the addresses of each private subnet, which in a /%d may have only %d for nodes and pods too", len(r.InterfaceEndpoints), smallestBlock, scarce))
	}
	if m := roleARN.FindStringSubmatch(r.ClusterAdminRole); m != nil && m[2] != "" {
		all = append(all, fmt.Sprintf("/clusterAdminRole: the role has the path /%s; the access entry takes it, the ConfigMap aws-auth knows roles only without their path", m[2]))
	}
	return all
}
