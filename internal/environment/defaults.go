package environment

// What a field is when the request leaves it out. The form shows the same values: a test holds
// them against the schema's defaults. An absent AMI type is Amazon Linux 2023, EKS' own default,
// although the Harmonix form offers Bottlerocket first; see the design's decision 10.
const (
	DefaultCIDR              = "10.0.0.0/24"
	DefaultNATGateways       = NATSingle
	DefaultAPIAccessCIDRs    = "0.0.0.0/0"
	DefaultKubernetesVersion = "1.36"
	DefaultInstanceType      = "m5.large"
	DefaultAMIType           = "AL2023_x86_64_STANDARD"
	DefaultCapacityType      = CapacityOnDemand
	DefaultMinSize           = 1
	DefaultMaxSize           = 2
	DefaultDiskSize          = 20
	DefaultMaxUnavailable    = 1
)

// The values of the fields that take one of a few.
const (
	OperationApply  = "apply"
	OperationPlan   = "plan"
	OperationDelete = "delete"

	OnFailureKeep   = "keep"
	OnFailureDelete = "delete"

	RetainAuditTable = "auditTable"
	RetainKeys       = "keys"
	RetainLogs       = "logs"

	VPCCreateNew   = "create_new"
	VPCUseExisting = "use_existing"

	NATSingle = "single"
	NATPerAZ  = "perAz"

	APIPrivate          = "private"
	APIPublicAndPrivate = "public_and_private"

	NodeTypeFargate = "FARGATE"
	NodeTypeManaged = "MANAGED"

	CapacityOnDemand = "ON_DEMAND"
	CapacitySpot     = "SPOT"
)

// WithDefaults returns r with every absent field set and every field that does not apply emptied,
// so that two requests for the same environment are equal. The roles that default to an SSM
// parameter stay empty: only preflight can read them.
func (r Request) WithDefaults() Request {
	setDefault(&r.Operation, OperationApply)
	setDefault(&r.OnFailure, OnFailureKeep)
	setDefault(&r.KubernetesVersion, DefaultKubernetesVersion)
	if r.VPCConfiguration == VPCCreateNew {
		setDefault(&r.CIDR, DefaultCIDR)
		setDefault(&r.NATGateways, DefaultNATGateways)
		if r.InterfaceEndpoints == nil && r.APIAccess == APIPrivate {
			r.InterfaceEndpoints = PrivateEndpoints()
		}
	} else {
		// What is there is used; what is not is made only where the request names it.
		r.CIDR, r.NATGateways = "", ""
	}
	if r.APIAccess == APIPublicAndPrivate {
		setDefault(&r.APIAccessCIDRs, DefaultAPIAccessCIDRs)
	} else {
		r.APIAccessCIDRs = ""
	}
	if r.NodeType == NodeTypeManaged {
		return r.withNodeDefaults()
	}
	r.InstanceType, r.InstanceTypes, r.AMIType, r.CapacityType = "", nil, "", ""
	r.NodeGroupMinSize, r.NodeGroupDesiredSize, r.NodeGroupMaxSize, r.NodeGroupDiskSize = 0, 0, 0, 0
	r.NodeLabels, r.NodeTaints, r.NodeUpdate = nil, nil, NodeUpdate{}
	if len(r.FargateSelectors) == 0 {
		r.FargateSelectors = DefaultFargateSelectors()
	}
	return r
}

// DefaultFargateSelectors are Harmonix' (harmonix-contract.md, section 2.6).
func DefaultFargateSelectors() []FargateSelector {
	return []FargateSelector{{Namespace: "kube-system"}, {Namespace: "default"}, {Namespace: "*"}}
}

// withNodeDefaults sets the fields of a managed node group. A size that is given moves the absent
// ones, so that naming one of them is enough.
func (r Request) withNodeDefaults() Request {
	r.FargateSelectors = nil
	setDefault(&r.InstanceType, DefaultInstanceType)
	if len(r.InstanceTypes) == 0 {
		r.InstanceTypes = []string{r.InstanceType}
	}
	r.InstanceType = ""
	if len(r.InstanceTypes) == 1 {
		r.InstanceType = r.InstanceTypes[0]
	}
	setDefault(&r.AMIType, DefaultAMIType)
	setDefault(&r.CapacityType, DefaultCapacityType)
	setDefault(&r.NodeGroupMinSize, DefaultMinSize)
	setDefault(&r.NodeGroupDesiredSize, r.NodeGroupMinSize)
	setDefault(&r.NodeGroupMaxSize, max(DefaultMaxSize, r.NodeGroupDesiredSize))
	setDefault(&r.NodeGroupDiskSize, DefaultDiskSize)
	if r.NodeUpdate.MaxUnavailablePercentage == 0 {
		setDefault(&r.NodeUpdate.MaxUnavailable, DefaultMaxUnavailable)
	}
	return r
}

// setDefault sets *field to value if it is absent.
func setDefault[T comparable](field *T, value T) {
	var absent T
	if *field == absent {
		*field = value
	}
}
