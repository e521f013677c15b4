package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Names are the names of everything an environment consists of. The templates get prefix and name and
// derive the names of what they make themselves; TestNames of infra/templates holds them to these.
type Names struct {
	// Environment is "{prefix}-{name}".
	Environment string `json:"environment"`
	// UniqueID is a short hash of account, region, prefix and name.
	UniqueID string `json:"uniqueId"`

	BootstrapStack string `json:"bootstrapStack"`
	NetworkStack   string `json:"networkStack"`
	IdentityStack  string `json:"identityStack"`
	ClusterStack   string `json:"clusterStack"`
	EgressStack    string `json:"egressStack"`
	KubectlStack   string `json:"kubectlStack"`
	CapacityStack  string `json:"capacityStack"`
	// AddonRolesStack is the stack of the roles of service accounts.
	AddonRolesStack string `json:"addonRolesStack"`
	// ProviderStack is the stack that Harmonix knows as metadata.stackName and deletes.
	ProviderStack string `json:"providerStack"`

	Cluster         string `json:"cluster"`
	KubectlFunction string `json:"kubectlFunction"`
	AuditTable      string `json:"auditTable"`
	// ParameterPath is "/{prefix}/{name}", the root of the SSM parameters.
	ParameterPath string `json:"parameterPath"`
	// LogGroup is the root of the applications' log groups.
	LogGroup string `json:"logGroup"`
}

// Tag is the key of the tag that marks every stack, and by propagation every resource, of an
// environment; its value is [Names.Environment].
const Tag = "eks-environment"

// BootstrapStack is the name of the stack that all environments of an account and region share.
const BootstrapStack = "EKS-ENV-Bootstrap"

// DeleteHookStack is the name of the stack of the delete hook, which they share as well.
const DeleteHookStack = "EKS-ENV-Bootstrap-DeleteHook"

// NamesOf derives the names of r's environment. Its sources are harmonix-contract.md, section 8.3,
// and the design's decision 11. r must be valid.
func NamesOf(r Request) Names {
	environment := r.Prefix + "-" + r.Name
	stack := func(part string) string { return "EKS-ENV-" + environment + "-" + part }
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%s", r.AccountID, r.Region, r.Prefix, r.Name))
	return Names{
		Environment:     environment,
		UniqueID:        hex.EncodeToString(sum[:])[:8],
		BootstrapStack:  BootstrapStack,
		NetworkStack:    stack("Network"),
		IdentityStack:   stack("Identity"),
		ClusterStack:    stack("Cluster"),
		EgressStack:     stack("Egress"),
		KubectlStack:    stack("Kubectl"),
		CapacityStack:   stack("Capacity"),
		AddonRolesStack: stack("AddonRoles"),
		ProviderStack:   stack("Stack"),
		Cluster:         environment + "-cluster",
		KubectlFunction: stack("kubectl"),
		AuditTable:      environment + "-audit",
		ParameterPath:   "/" + r.Prefix + "/" + r.Name,
		LogGroup:        "/aws/apps/" + environment,
	}
}

// Stacks lists the environment's own stacks in the order of their making.
func (n Names) Stacks() []string {
	return []string{
		n.NetworkStack, n.IdentityStack, n.ClusterStack, n.EgressStack, n.KubectlStack,
		n.CapacityStack, n.AddonRolesStack, n.ProviderStack,
	}
}

// Key identifies r's environment among all. It joins prefix and name as every other name does, so
// that two requests whose names would collide share one lock.
func (r Request) Key() string {
	return r.AccountID + "/" + r.Region + "/" + r.Prefix + "-" + r.Name
}
