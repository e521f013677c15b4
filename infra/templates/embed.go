// Package templates holds the CloudFormation templates that the stages deploy. They are the output
// of the CDK app one folder up and must not be edited by hand; this package knows nothing of the CDK.
package templates

import _ "embed" // the templates

// The templates, one per stack, as they are passed to CloudFormation.
var (
	// Bootstrap is what all environments of an account and region share: service role and artifact bucket.
	//go:embed bootstrap.json
	Bootstrap string
	// DeleteHook is the function behind the provider stacks' custom resource, shared like the bootstrap stack.
	//go:embed deletehook.json
	DeleteHook string
	// Network is the VPC with its subnets, routes and security groups.
	//go:embed network.json
	Network string
	// NetworkExisting is the security groups in a VPC that is there already.
	//go:embed network-existing.json
	NetworkExisting string
	// Identity is the keys, the audit table and the roles.
	//go:embed identity.json
	Identity string
	// Cluster is the EKS control plane, its OIDC provider and the access entries.
	//go:embed cluster.json
	Cluster string
	// Egress is the NAT gateways, the VPC endpoints and the flow log.
	//go:embed egress.json
	Egress string
	// EgressExisting is the VPC endpoints and the flow log in a VPC that is there already.
	//go:embed egress-existing.json
	EgressExisting string
	// Kubectl is the kubectl function inside the environment's VPC.
	//go:embed kubectl.json
	Kubectl string
	// CapacityManaged is a managed node group, CapacityFargate a Fargate profile.
	//go:embed capacity-managed.json
	CapacityManaged string
	//go:embed capacity-fargate.json
	CapacityFargate string
	// AddonRoles is the roles of the add-ons' service accounts.
	//go:embed addonroles.json
	AddonRoles string
	// Provider is what Harmonix reads, outputs and SSM parameters, and what removes the environment with it.
	//go:embed provider.json
	Provider string

	// ClusterPolicy is the stack policy of the cluster stack: no update replaces or removes the cluster.
	//go:embed policies/cluster.json
	ClusterPolicy string
)
