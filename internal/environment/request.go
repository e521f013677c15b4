package environment

import "slices"

// Request is what a user asks for. Its field names are the parameter names of Harmonix'
// "AWS EKS Environment Provider" template (harmonix-contract.md, section 1.1), so that a value
// can be carried from the form to the request without a translation; what Harmonix does not ask
// for has a default, set by [Request.WithDefaults].
type Request struct {
	// Operation says what to do: "apply", "plan" or "delete".
	Operation string `json:"operation,omitempty"`
	// Name and Prefix identify the environment within its account and region.
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	// Description and Owner are written to the outputs and change nothing else.
	Description string `json:"env_description,omitempty"`
	Owner       string `json:"owner,omitempty"`
	// AccountID is the target account: 12 digits.
	AccountID string `json:"awsAccountID"`
	// Region is the target region.
	Region string `json:"awsRegion"`
	// EnvironmentRole is the ARN of the role in the target account that the stages assume.
	EnvironmentRole string `json:"environmentRole"`
	// ExternalID is passed when EnvironmentRole is assumed.
	ExternalID string `json:"externalId,omitempty"`
	// PlatformRole (Backstage's task role) may assume the operations role, PipelineRole (the CI
	// runner's role) the provisioning role. Empty: read from SSM /opa/platform-role and
	// /opa/pipeline-role in the orchestrator's account and region.
	PlatformRole string `json:"platformRole,omitempty"`
	PipelineRole string `json:"pipelineRole,omitempty"`

	// VPCConfiguration is "create_new" or "use_existing".
	VPCConfiguration string `json:"vpcConfiguration"`
	// VPCID is the VPC to use with "use_existing".
	VPCID string `json:"vpcId,omitempty"`
	// SubnetIDs are the subnets of that VPC to use; empty: they are chosen by their routes.
	SubnetIDs []string `json:"subnetIds,omitempty"`
	// TagSubnets says that subnets without load balancer tags are given them.
	TagSubnets bool `json:"tagSubnets,omitempty"`
	// CIDR is the new VPC's address block, /16 to /24.
	CIDR string `json:"cidr,omitempty"`
	// NATGateways is "single" or "perAz".
	NATGateways string `json:"natGateways,omitempty"`
	// InterfaceEndpoints are the services, of those in [InterfaceEndpoints], that the VPC gets an
	// interface endpoint for. Absent means the default; an empty list means none.
	InterfaceEndpoints []string `json:"interfaceEndpoints,omitempty"`

	// ClusterAdminRole is the ARN of the role that administers the cluster; empty: one is created.
	ClusterAdminRole string `json:"clusterAdminRole,omitempty"`
	// ClusterAdminTrust are the ARNs of the roles and users that may assume the role that is created.
	ClusterAdminTrust []string `json:"clusterAdminTrust,omitempty"`
	// APIAccess is "private" or "public_and_private".
	APIAccess string `json:"apiAccess"`
	// APIAccessCIDRs is a comma-separated list of the address blocks that may reach a public API.
	APIAccessCIDRs string `json:"apiAccessCidrs,omitempty"`
	// KubernetesVersion is the cluster's minor version, such as "1.36".
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// NodeType is "FARGATE" or "MANAGED". The fields from InstanceType on hold for MANAGED only.
	NodeType string `json:"nodeType"`
	// FargateSelectors say which pods run on Fargate.
	FargateSelectors []FargateSelector `json:"fargateSelectors,omitempty"`
	// InstanceType is Harmonix' field for one type. InstanceTypes are one or several, and with the
	// defaults never empty; InstanceType is then empty if they are several.
	InstanceType         string   `json:"instanceType,omitempty"`
	InstanceTypes        []string `json:"instanceTypes,omitempty"`
	AMIType              string   `json:"amiType,omitempty"`
	CapacityType         string   `json:"capacityType,omitempty"`
	NodeGroupMinSize     int      `json:"nodeGroupMinSize,omitempty"`
	NodeGroupDesiredSize int      `json:"nodeGroupDesiredSize,omitempty"`
	NodeGroupMaxSize     int      `json:"nodeGroupMaxSize,omitempty"`
	NodeGroupDiskSize    int      `json:"nodeGroupDiskSize,omitempty"`
	// NodeLabels and NodeTaints are those of the nodes; NodeUpdate says how fast they are replaced.
	NodeLabels map[string]string `json:"nodeLabels,omitempty"`
	NodeTaints []Taint           `json:"nodeTaints,omitempty"`
	NodeUpdate NodeUpdate        `json:"nodeUpdate,omitzero"`

	// Chart is where the AWS Load Balancer Controller's chart comes from.
	Chart ChartSource `json:"chart,omitzero"`
	// Images are where the add-ons' images come from, where not from their makers.
	Images Images `json:"images,omitzero"`

	// AssumableRoles are further role ARNs that the kubectl function may assume.
	AssumableRoles []string `json:"assumableRoles,omitempty"`
	// PermissionsBoundary is the ARN of the policy that bounds every role made in the target account.
	PermissionsBoundary string `json:"permissionsBoundary,omitempty"`
	// OnFailure says what becomes of an environment whose first creation fails: "keep" or "delete".
	OnFailure string `json:"onFailure,omitempty"`
	// Retain names what a removal keeps.
	Retain []string `json:"retain,omitempty"`
	// Tags are put on every stack of the environment, and on what the stacks' tags do not reach.
	Tags map[string]string `json:"tags,omitempty"`
	// RepoURL is sent by the Harmonix form and not used.
	RepoURL string `json:"repoUrl,omitempty"`
}

// ExistingVPC reports whether the environment stands in a VPC that it did not make.
func (r Request) ExistingVPC() bool { return r.VPCConfiguration == VPCUseExisting }

// Undoes reports whether r asks that a first creation that fails is removed again.
func (r Request) Undoes() bool {
	return r.Operation == OperationApply && r.OnFailure == OnFailureDelete
}

// Retains reports whether a removal keeps what has the name, one of the Retain constants.
func (r Request) Retains(what string) bool { return slices.Contains(r.Retain, what) }
