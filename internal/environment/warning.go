package environment

import (
	"net/netip"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// Warnings returns what is allowed and may still surprise. r must be valid and have its defaults.
func (r Request) Warnings() []Finding {
	var all []Finding
	// The bridge of container engines on the nodes; EKS' user guide, "View Amazon EKS networking
	// requirements", advises against it.
	docker := netip.MustParsePrefix("172.17.0.0/16")
	if block, err := parseBlock(r.CIDR); err == nil && docker.Overlaps(block) {
		all = append(all, finding.Warningf("BlockOverlapsDocker", "/cidr",
			"%s overlaps %s, which container engines use for their own bridge: processes on such hosts cannot reach the VPC", block, docker).
			WithNext("choose another block for a new environment, if hosts with container engines are to reach it"))
	}
	// A /24 in three zones leaves private subnets of /27, with 27 addresses each; an endpoint takes one in each.
	const scarce = 27
	if block, err := parseBlock(r.CIDR); err == nil && block.Bits() == smallestBlock && 4*len(r.InterfaceEndpoints) > scarce {
		all = append(all, finding.Warningf("FewAddresses", "/interfaceEndpoints",
			"%d endpoints take as many of the addresses of each private subnet, which in a /%d may have only %d for nodes and pods too", len(r.InterfaceEndpoints), smallestBlock, scarce).
			WithNext("leave endpoints out, or choose a larger block for a new environment"))
	}
	if m := roleARN.FindStringSubmatch(r.ClusterAdminRole); m != nil && m[2] != "" {
		all = append(all, finding.Warningf("RoleWithPath", "/clusterAdminRole",
			"the role has the path /%s: the access entry takes it, the ConfigMap aws-auth knows roles only without their path", m[2]).
			WithNext("nothing, unless the role is to be found in aws-auth as well"))
	}
	return all
}
