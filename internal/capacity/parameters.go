package capacity

import (
	"strconv"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// FargateParameters are the parameters of the Fargate template for st.
func FargateParameters(st environment.State) map[string]string {
	return map[string]string{
		"Prefix":              st.Request.Prefix,
		"Name":                st.Request.Name,
		"PodExecutionRoleArn": st.Identity.PodExecutionRoleARN,
		"SubnetIds":           strings.Join(st.Network.PrivateSubnetIDs, ","),
	}
}

// ManagedParameters are the parameters of the node group's template for st, with the given number
// of nodes.
func ManagedParameters(st environment.State, desired int) map[string]string {
	device := "/dev/xvda"
	if st.Request.Bottlerocket() {
		device = "/dev/xvdb"
	}
	return map[string]string{
		"Prefix":                   st.Request.Prefix,
		"Name":                     st.Request.Name,
		"NodeRoleArn":              st.Identity.NodeRoleARN,
		"SubnetIds":                strings.Join(st.Network.PrivateSubnetIDs, ","),
		"InstanceType":             st.Request.InstanceType,
		"InstanceTypes":            several(st.Request.InstanceTypes),
		"AmiType":                  st.Request.AMIType,
		"CapacityType":             st.Request.CapacityType,
		"KubernetesVersion":        st.Cluster.Version,
		"DiskDevice":               device,
		"DiskSize":                 strconv.Itoa(st.Request.NodeGroupDiskSize),
		"MinSize":                  strconv.Itoa(st.Request.NodeGroupMinSize),
		"DesiredSize":              strconv.Itoa(desired),
		"MaxSize":                  strconv.Itoa(st.Request.NodeGroupMaxSize),
		"MaxUnavailable":           number(st.Request.NodeUpdate.MaxUnavailable),
		"MaxUnavailablePercentage": number(st.Request.NodeUpdate.MaxUnavailablePercentage),
	}
}

// several are the instance types of a node group that has more than one. A single one is the launch
// template's, so that another one needs no new group.
func several(types []string) string {
	if len(types) < 2 {
		return ""
	}
	return strings.Join(types, ",")
}

// number is n as a parameter, empty for none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// kinds are the kinds of a node group's updates. EKS combines a change of its version with no other
// change, one of its tags included (aws-traps.md, row 1.24). A change of what is create-only (row
// 1.23) makes a new node group, and with everything at once. A failed
// change of the version stays, because EKS takes a group to no earlier one (row 1.28).
func kinds() []stack.Kind {
	return []stack.Kind{
		{Parameters: []string{"NodeRoleArn", "SubnetIds", "AmiType", "CapacityType", "InstanceTypes"}, Replaces: true},
		{Parameters: []string{"MinSize", "DesiredSize", "MaxSize", "MaxUnavailable", "MaxUnavailablePercentage"}, Rest: true},
		{Parameters: []string{"InstanceType", "DiskDevice", "DiskSize"}, Paths: []string{tagsPath, metadataPath}},
		{Parameters: []string{"KubernetesVersion"}, Stays: true},
	}
}
