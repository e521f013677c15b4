package capacity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
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
	if strings.HasPrefix(st.Request.AMIType, "BOTTLEROCKET_") {
		device = "/dev/xvdb"
	}
	return map[string]string{
		"Prefix":            st.Request.Prefix,
		"Name":              st.Request.Name,
		"NodeRoleArn":       st.Identity.NodeRoleARN,
		"SubnetIds":         strings.Join(st.Network.PrivateSubnetIDs, ","),
		"InstanceType":      st.Request.InstanceType,
		"AmiType":           st.Request.AMIType,
		"KubernetesVersion": st.Cluster.Version,
		"DiskDevice":        device,
		"DiskSize":          strconv.Itoa(st.Request.NodeGroupDiskSize),
		"MinSize":           strconv.Itoa(st.Request.NodeGroupMinSize),
		"DesiredSize":       strconv.Itoa(desired),
		"MaxSize":           strconv.Itoa(st.Request.NodeGroupMaxSize),
	}
}

// kinds are the parameters by the kind of update that a change of them is, in the order in which
// the kinds are made. The other parameters are create-only: a change of one makes a new node group.
func kinds() [][]string {
	return [][]string{
		{"MinSize", "DesiredSize", "MaxSize"},
		{"InstanceType", "DiskDevice", "DiskSize"},
		{"KubernetesVersion"},
	}
}

// next is what the parameters of a live stack may become in one update on their way to want. EKS
// combines a change of a node group's version with no other change, one of its tags included
// (aws-traps.md, row 1.24); retagged says that those change too. A new node group is made with
// everything at once.
func next(live, want map[string]string, retagged bool) map[string]string {
	differs := func(name string) bool { return live[name] != want[name] }
	known := kinds()
	for name := range want {
		if differs(name) && !slices.Contains(slices.Concat(known...), name) {
			return want
		}
	}
	step, begun := maps.Clone(want), false
	for i, kind := range known {
		if begun {
			for _, name := range kind {
				step[name] = live[name]
			}
		}
		begun = begun || slices.ContainsFunc(kind, differs) || i == 0 && retagged
	}
	return step
}

// fingerprint tells sets of parameters apart.
func fingerprint(parameters map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(&b, "%s=%s\x00", name, parameters[name])
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}
