package environment

import (
	"math"
	"time"
)

// State is the document that travels through the state machine. Every stage reads it whole and
// returns its own section, which the definition stores under the section's key.
// It holds references, never manifests or secrets, and stays far below Step Functions' limit of
// 262,144 bytes (aws-traps.md, row 3.5).
type State struct {
	Execution Execution `json:"execution"`
	Request   Request   `json:"request"`
	Names     Names     `json:"names"`
	// Findings are preflight's, those that stop nothing.
	Findings  []Finding  `json:"findings"`
	Lock      *Lock      `json:"lock,omitempty"`
	Bootstrap *Bootstrap `json:"bootstrap,omitempty"`
	Network   *Network   `json:"network,omitempty"`
	Identity  *Identity  `json:"identity,omitempty"`
	Cluster   *Cluster   `json:"cluster,omitempty"`
	Egress    *Egress    `json:"egress,omitempty"`
	Kubectl   *Kubectl   `json:"kubectl,omitempty"`
	Access    *Access    `json:"access,omitempty"`
	Capacity  *Capacity  `json:"capacity,omitempty"`
	// AddonRoles are what the add-ons' service accounts may assume.
	AddonRoles   *AddonRoles   `json:"addonRoles,omitempty"`
	Logging      *Logging      `json:"logging,omitempty"`
	ClusterDNS   *ClusterDNS   `json:"clusterDns,omitempty"`
	LoadBalancer *LoadBalancer `json:"loadBalancer,omitempty"`
	Verification *Verification `json:"verification,omitempty"`
	Provider     *Provider     `json:"provider,omitempty"`

	// What follows are the sections of a deletion.

	Survey           *Survey  `json:"survey,omitempty"`
	Drain            *Drain   `json:"drain,omitempty"`
	DeleteKubectl    *Removal `json:"deleteKubectl,omitempty"`
	DeleteCapacity   *Removal `json:"deleteCapacity,omitempty"`
	DeleteAddonRoles *Removal `json:"deleteAddonRoles,omitempty"`
	DeleteCluster    *Removal `json:"deleteCluster,omitempty"`
	DeleteEgress     *Removal `json:"deleteEgress,omitempty"`
	SweepNetwork     *Removal `json:"sweepNetwork,omitempty"`
	DeleteNetwork    *Removal `json:"deleteNetwork,omitempty"`
	DeleteIdentity   *Removal `json:"deleteIdentity,omitempty"`
	SweepData        *Removal `json:"sweepData,omitempty"`
	DeleteProvider   *Removal `json:"deleteProvider,omitempty"`
}

// Change says what a stage did to the world.
type Change string

// The changes a stage can report.
const (
	Created   Change = "created"
	Updated   Change = "updated"
	Unchanged Change = "unchanged"
	Deleted   Change = "deleted"
	// Unknown is a plan's answer about what cannot be seen at the moment.
	Unknown Change = "unknown"
)

// Progress is part of every section: what the stage did and how long it took.
type Progress struct {
	// Change is what the stage did, or in a plan what it would do.
	Change Change `json:"change"`
	// Plan is what the change consists of, in a plan.
	Plan *Plan `json:"plan,omitempty"`
	// Seconds counts from the state's first entry to its success, retries included.
	Seconds float64 `json:"seconds"`
}

// SetSeconds records how long the stage took.
func (p *Progress) SetSeconds(took time.Duration) {
	p.Seconds = tenths(took)
}

// tenths is a duration in seconds, to a tenth.
func tenths(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

// Lock is the section of the stage of that name: the environment is this execution's alone, except
// in a plan, which takes no lock.
type Lock struct {
	Progress
	// HeldBy is the running execution that works on the environment while a plan looks at it.
	HeldBy string `json:"heldBy,omitempty"`
	// TakenFrom is the ended execution that had left the lock behind, if any.
	TakenFrom string `json:"takenFrom,omitempty"`
}

// Bootstrap is the section of the stage of that name: what all environments of the account and
// region share.
type Bootstrap struct {
	Progress
	// ServiceRoleARN is the role that CloudFormation works with in every environment stack.
	ServiceRoleARN string `json:"serviceRoleArn"`
	// ArtifactBucket holds function code and layers in the target region.
	ArtifactBucket string `json:"artifactBucket"`
	// DeleteHookARN is the function that removes an environment when its provider stack is deleted.
	DeleteHookARN string `json:"deleteHookArn,omitempty"`
	// Before is what there was of the environment before this execution made anything of it. It is
	// looked for where a failure is to remove what was made, and nil otherwise.
	Before []string `json:"before,omitzero"`
}

// Network is the section of the network core.
type Network struct {
	Progress
	VPCID            string   `json:"vpcId"`
	PublicSubnetIDs  []string `json:"publicSubnetIds"`
	PrivateSubnetIDs []string `json:"privateSubnetIds"`
	// PrivateRouteTableIDs are in the order of the zones, as the subnets are. The route tables of an
	// existing VPC are not the environment's, and not here.
	PublicRouteTableID   string   `json:"publicRouteTableId,omitempty"`
	PrivateRouteTableIDs []string `json:"privateRouteTableIds,omitempty"`
	// Blocks are the VPC's address blocks.
	Blocks []string `json:"blocks"`
	// EndpointSubnetIDs are the private subnets that interface endpoints stand in: one in each zone.
	EndpointSubnetIDs []string `json:"endpointSubnetIds"`
	// Isolated says that a private subnet has no way to the internet.
	Isolated bool `json:"isolated,omitempty"`
	// ControlPlaneSecurityGroupID is the additional group of the cluster's network interfaces;
	// it admits the kubectl function on 443.
	ControlPlaneSecurityGroupID string `json:"controlPlaneSecurityGroupId"`
	KubectlSecurityGroupID      string `json:"kubectlSecurityGroupId"`
}

// Identity is the section of the keys, the audit table and the roles.
type Identity struct {
	Progress
	KeyARN              string `json:"keyArn"`
	SecretsKeyARN       string `json:"secretsKeyArn"`
	AuditTable          string `json:"auditTable"`
	OperationsRoleARN   string `json:"operationsRoleArn"`
	ProvisioningRoleARN string `json:"provisioningRoleArn"`
	ControlPlaneRoleARN string `json:"controlPlaneRoleArn"`
	ClusterAdminRoleARN string `json:"clusterAdminRoleArn"`
	KubectlRoleARN      string `json:"kubectlRoleArn"`
	NodeRoleARN         string `json:"nodeRoleArn,omitempty"`
	PodExecutionRoleARN string `json:"podExecutionRoleArn,omitempty"`
}

// Cluster is the section of the EKS control plane.
type Cluster struct {
	Progress
	ARN      string `json:"arn"`
	Endpoint string `json:"endpoint"`
	// Version is the Kubernetes minor version that runs, which may be above the requested one.
	Version         string `json:"version"`
	SecurityGroupID string `json:"securityGroupId"`
	// Issuer is the OIDC issuer without "https://".
	Issuer          string `json:"issuer"`
	OIDCProviderARN string `json:"oidcProviderArn"`
}

// Egress is the section of the ways out of the VPC: NAT gateways, endpoints, and the flow log.
type Egress struct {
	Progress
	NATGatewayIDs []string `json:"natGatewayIds"`
	// PublicIPs are the addresses that the environment's calls come from.
	PublicIPs          []string `json:"publicIps"`
	InterfaceEndpoints []string `json:"interfaceEndpoints,omitempty"`
	FlowLogGroup       string   `json:"flowLogGroup"`
}

// Kubectl is the section of the environment's own kubectl function.
type Kubectl struct {
	Progress
	FunctionARN string `json:"functionArn"`
	// LayerVersion is the Kubernetes minor version of the function's kubectl.
	LayerVersion string `json:"layerVersion"`
}

// Access is the section of aws-auth and RBAC.
type Access struct {
	Progress
	// Objects lists what was created or updated, as "Kind namespace/name".
	Objects []string `json:"objects,omitempty"`
}

// Capacity is the section of what pods run on: a managed node group, or Fargate profiles.
type Capacity struct {
	Progress
	NodeGroupName   string   `json:"nodeGroupName,omitempty"`
	FargateProfiles []string `json:"fargateProfiles,omitempty"`
}

// AddonRoles is the section of the roles that the add-ons' service accounts assume.
type AddonRoles struct {
	Progress
	LoadBalancerControllerRoleARN string `json:"loadBalancerControllerRoleArn"`
	// FluentBitRoleARN is empty on Fargate, whose logs are shipped with the pod execution role.
	FluentBitRoleARN string `json:"fluentBitRoleArn,omitempty"`
}

// Provider is the section of the provider stack.
type Provider struct {
	Progress
	// Outputs are the provider stack's outputs, by name (harmonix-contract.md, section 2.10).
	Outputs map[string]string `json:"outputs"`
}

// StageProgress is a stage's name with its section's progress, nil where it has not finished.
type StageProgress struct {
	Name     string
	Progress *Progress
}

// Stages lists the stages that have a section, in the order in which they finish in a new
// environment. The names are those of the state machine's states.
func (s State) Stages() []StageProgress {
	return []StageProgress{
		of("Lock", s.Lock, func(l *Lock) *Progress { return &l.Progress }),
		of("Bootstrap", s.Bootstrap, func(b *Bootstrap) *Progress { return &b.Progress }),
		of("Network", s.Network, func(n *Network) *Progress { return &n.Progress }),
		of("Identity", s.Identity, func(i *Identity) *Progress { return &i.Progress }),
		of("Cluster", s.Cluster, func(c *Cluster) *Progress { return &c.Progress }),
		of("Egress", s.Egress, func(e *Egress) *Progress { return &e.Progress }),
		of("DeployKubectl", s.Kubectl, func(k *Kubectl) *Progress { return &k.Progress }),
		of("Access", s.Access, func(a *Access) *Progress { return &a.Progress }),
		of("Capacity", s.Capacity, func(c *Capacity) *Progress { return &c.Progress }),
		of("AddonRoles", s.AddonRoles, func(a *AddonRoles) *Progress { return &a.Progress }),
		of("Logging", s.Logging, func(l *Logging) *Progress { return &l.Progress }),
		of("ClusterDNS", s.ClusterDNS, func(c *ClusterDNS) *Progress { return &c.Progress }),
		of("LoadBalancer", s.LoadBalancer, func(l *LoadBalancer) *Progress { return &l.Progress }),
		of("Verify", s.Verification, func(v *Verification) *Progress { return &v.Progress }),
		of("Register", s.Provider, func(p *Provider) *Progress { return &p.Progress }),
	}
}

// of names a section's progress. A section that is not there has none, and its embedded progress
// cannot be asked for it.
func of[Section any](name string, section *Section, progress func(*Section) *Progress) StageProgress {
	if section == nil {
		return StageProgress{Name: name}
	}
	return StageProgress{Name: name, Progress: progress(section)}
}

// Removals lists the stages of a deletion, in the order in which they finish.
func (s State) Removals() []StageProgress {
	return []StageProgress{
		of("Lock", s.Lock, func(l *Lock) *Progress { return &l.Progress }),
		of("Bootstrap", s.Bootstrap, func(b *Bootstrap) *Progress { return &b.Progress }),
		of("Survey", s.Survey, func(v *Survey) *Progress { return &v.Progress }),
		of("Drain", s.Drain, (*Drain).progress),
		of("DeleteKubectl", s.DeleteKubectl, (*Removal).progress),
		of("DeleteAddonRoles", s.DeleteAddonRoles, (*Removal).progress),
		of("DeleteCapacity", s.DeleteCapacity, (*Removal).progress),
		of("DeleteCluster", s.DeleteCluster, (*Removal).progress),
		of("DeleteEgress", s.DeleteEgress, (*Removal).progress),
		of("SweepNetwork", s.SweepNetwork, (*Removal).progress),
		of("DeleteNetwork", s.DeleteNetwork, (*Removal).progress),
		of("DeleteIdentity", s.DeleteIdentity, (*Removal).progress),
		of("SweepData", s.SweepData, (*Removal).progress),
		of("DeleteProvider", s.DeleteProvider, (*Removal).progress),
	}
}

// RemovalSections are the sections of a deletion that are there, in the order of [State.Removals].
func (s State) RemovalSections() []Removal {
	all := []*Removal{
		s.DeleteKubectl, s.DeleteAddonRoles, s.DeleteCapacity, s.DeleteCluster, s.DeleteEgress, s.SweepNetwork,
		s.DeleteNetwork, s.DeleteIdentity, s.SweepData, s.DeleteProvider,
	}
	if s.Drain != nil {
		all = append([]*Removal{&s.Drain.Removal}, all...)
	}
	var sections []Removal
	for _, r := range all {
		if r != nil {
			sections = append(sections, *r)
		}
	}
	return sections
}

// Unfinished is the name of the first stage without a section: the one at work.
func (s State) Unfinished() string {
	if s.Names.Environment == "" {
		return "Preflight"
	}
	stages, last := s.Stages(), "Complete"
	if s.Request.Plans() {
		last = "Plan"
	}
	if s.Survey != nil || s.Execution.Failure != nil || s.Request.Operation == OperationDelete {
		stages, last = s.Removals(), "CompleteDelete"
	}
	for _, stage := range stages {
		if stage.Progress == nil {
			return stage.Name
		}
	}
	return last
}
