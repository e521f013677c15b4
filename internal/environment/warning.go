package environment

import (
	"net/netip"
	"slices"
	"strings"

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
			WithNext("nothing is needed for the access entry; supply a role without a path if it is to be found in aws-auth as well"))
	}
	if _, without := r.BalancerTags(); len(without) > 0 {
		all = append(all, finding.Warningf("TagNotOnLoadBalancers", "/tags",
			"load balancers of the cluster's applications do not get the tag %s, which the chart of their controller cannot pass on", strings.Join(without, ", ")).
			WithNext("use no equals sign or comma in a key, and no colon before a space or at the end of a value, if load balancers are to have it"))
	}
	return append(append(all, r.crowded()...), r.nodeWarnings()...)
}

// What an environment takes of the addresses of its subnets.
const (
	// ControlPlaneAddresses is how many free addresses EKS asks of each of a cluster's subnets
	// (aws-traps.md, row 1.20).
	ControlPlaneAddresses = 6
	// FunctionAddresses is how many the kubectl function has in each private subnet.
	FunctionAddresses = 1
	// AddressesPerNode is what a node takes at its start: its own address and those that the VPC CNI
	// plug-in keeps ready for pods, which on m5.large is one network interface of ten.
	AddressesPerNode = 10
	// reservedByAWS are the addresses of each subnet that nobody else gets.
	reservedByAWS = 5
)

// crowded warns of more nodes than the private subnets of a new VPC have addresses for.
func (r Request) crowded() []Finding {
	block, err := parseBlock(r.CIDR)
	if err != nil || r.NodeGroupMaxSize == 0 {
		return nil
	}
	const zones = 3
	_, private, err := Subnets(block, zones)
	if err != nil {
		return nil
	}
	room := zones * (1<<(32-private[0].Bits()) - reservedByAWS - ControlPlaneAddresses - FunctionAddresses - len(r.InterfaceEndpoints))
	if r.NodeGroupMaxSize*AddressesPerNode <= room {
		return nil
	}
	return []Finding{finding.Warningf("FewAddresses", "/nodeGroupMaxSize",
		"a node takes %d addresses for its pods, and in three zones the private subnets of %s have %d for nodes: where there are none left, pods do not start", AddressesPerNode, block, max(room, 0)).
		WithNext("ask for fewer or larger nodes, or choose a larger block for a new environment")}
}

// nodeWarnings are about what pods run on.
func (r Request) nodeWarnings() []Finding {
	var all []Finding
	if r.CapacityType == CapacitySpot && len(r.InstanceTypes) == 1 {
		all = append(all, finding.Warningf("OneSpotType", "/instanceTypes",
			"with %s as the only instance type there are no nodes when AWS has no spot capacity of it", r.InstanceType).
			WithNext("name several types in instanceTypes"))
	}
	if tolerations := r.Tolerations(); len(tolerations) > 0 {
		all = append(all, finding.Warningf("TaintedNodes", "/nodeTaints",
			"all nodes of the environment have the taint %s: pods that do not tolerate it stay Pending, those of Harmonix' applications too", tolerations[0].Key).
			WithNext("add the toleration to the applications, or leave the taint out"))
	}
	drivers := strings.Contains(r.AMIType, "_NVIDIA") || strings.HasSuffix(r.AMIType, "_NEURON") || strings.HasSuffix(r.AMIType, "_GPU")
	idle := slices.ContainsFunc(r.InstanceTypes, func(instance string) bool { return hasNVIDIA(instance) || neuronFamily.MatchString(instance) })
	switch {
	case drivers && !r.Bottlerocket():
		all = append(all, finding.Warningf("NoDevicePlugin", "/amiType", "no pod can ask for the nodes' devices before their device plugin runs in the cluster, which the provider does not install").
			WithNext("install the plugin of the devices' maker when the environment is there"))
	case idle && !drivers:
		all = append(all, finding.Warningf("IdleDevices", "/amiType", "%s has no drivers for the devices of the instance type", r.AMIType).
			WithNext("choose an image with NVIDIA or NEURON in its name, or another instance type"))
	}
	if len(r.FargateSelectors) > 0 && !slices.ContainsFunc(r.FargateSelectors, func(s FargateSelector) bool { return s.takes("any-other") }) {
		all = append(all, finding.Warningf("UnselectedNamespaces", "/fargateSelectors",
			"no selector takes every pod of every namespace: pods that none takes stay Pending, those of Harmonix' applications in other namespaces too").
			WithNext(`add {"namespace": "*"}, unless that is meant`))
	}
	return all
}
