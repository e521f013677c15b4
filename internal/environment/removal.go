package environment

import (
	"fmt"
	"slices"
)

// Deletion is the request that removes what r has made: what a deletion reads of a request, and what
// every request must have. It is written down in the provider stack, so it is as small as can be, and
// the same whoever may reach the API: a deletion goes by the kubectl function.
func (r Request) Deletion() Request {
	return Request{
		Operation: OperationDelete, Prefix: r.Prefix, Name: r.Name, AccountID: r.AccountID, Region: r.Region,
		EnvironmentRole: r.EnvironmentRole, ExternalID: r.ExternalID, PermissionsBoundary: r.PermissionsBoundary,
		VPCConfiguration: r.VPCConfiguration, VPCID: r.VPCID, APIAccess: APIPublicAndPrivate, NodeType: r.NodeType,
		Retain: r.Retain,
	}
}

// Survey is the section of the stage of that name: what there is of an environment that is to go.
type Survey struct {
	Progress
	// Stacks are those that were there, in the order of their making.
	Stacks []SurveyedStack `json:"stacks"`
	// Leftovers are what was found beside the stacks and belongs to the environment all the same:
	// what controllers in the cluster have made, and log groups.
	Leftovers []string `json:"leftovers"`
	// Objects are what was found in the cluster and is deleted there first. A call of Drain knows only
	// what is there when it looks.
	Objects []string `json:"objects,omitempty"`
	// Protected is what somebody has protected from deletion, and the removal does not spare: stacks and
	// load balancers, in the words in which they are said to be removed.
	Protected []string `json:"protected,omitempty"`
	// VPCID is empty if the environment has no VPC, or none of its own.
	VPCID string `json:"vpcId,omitempty"`
	// TaggedSubnets are the subnets of an existing VPC that were given a tag, as the stack has it written down.
	TaggedSubnets string `json:"taggedSubnets,omitempty"`
	// KeyARNs are the environment's KMS keys.
	KeyARNs []string `json:"keyArns,omitempty"`
	// AuditKeyARN is that of them which the audit table is encrypted with.
	AuditKeyARN string `json:"auditKeyArn,omitempty"`
	// SecretsKeyARN is that of them which the cluster's secrets are encrypted with, and which its stack keeps.
	SecretsKeyARN string `json:"secretsKeyArn,omitempty"`
	// ClusterAdminRoleARN is who may delete objects in the cluster.
	ClusterAdminRoleARN string `json:"clusterAdminRoleArn,omitempty"`
	// OIDCProviderARN is that of the cluster's issuer, whoever has made it: without the cluster, nobody
	// knows the issuer.
	OIDCProviderARN string `json:"oidcProviderArn,omitempty"`
}

// SurveyedStack is a stack as it was found. By its id it is found after its end, too.
type SurveyedStack struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Status string `json:"status"`
}

// StackID is the id of the stack of that name, empty if there was none.
func (s *Survey) StackID(name string) string {
	if s == nil {
		return ""
	}
	for _, stack := range s.Stacks {
		if stack.Name == name {
			return stack.ID
		}
	}
	return ""
}

// Removal is the section of every state that removes something.
type Removal struct {
	Progress
	// Removed names what is gone.
	Removed []string `json:"removed"`
	// Kept is what stays because it was asked for, or has to.
	Kept []Leftover `json:"kept"`
	// Orphaned is what stays although it should not.
	Orphaned []Leftover `json:"orphaned"`
}

// MaxListed bounds the lists of a section that have a line for each object of a cluster: the state document
// has 256 KiB (aws-traps.md, row 3.5).
const MaxListed = 200

// Bound cuts the section's lists to [MaxListed] lines; one more line says how many are left out.
func (r *Removal) Bound() {
	r.Removed, r.Kept, r.Orphaned = Listed(r.Removed), listed(r.Kept), listed(r.Orphaned)
}

// Listed is a list for a section: cut to [MaxListed] lines, and one that says how many are left out.
func Listed(list []string) []string {
	if len(list) <= MaxListed {
		return list
	}
	return append(slices.Clone(list[:MaxListed]), more(len(list)))
}

func listed(list []Leftover) []Leftover {
	if len(list) <= MaxListed {
		return list
	}
	// What is left out has reasons like those that are shown.
	return append(slices.Clone(list[:MaxListed]), Leftover{What: more(len(list)), Why: "for reasons like " + list[0].What})
}

func more(all int) string { return fmt.Sprintf("%d more", all-MaxListed) }

func (r *Removal) progress() *Progress { return &r.Progress }

// Drain is the section of the stage of that name.
type Drain struct {
	Removal
	// Reached says that the cluster was looked into, so that what is under Volumes may go.
	Reached bool `json:"reached"`
	// Volumes are those that Kubernetes was told to delete.
	Volumes []PersistentVolume `json:"volumes,omitempty"`
}

// PersistentVolume is a volume in the cluster, and what it stands for in EBS.
type PersistentVolume struct {
	Name     string `json:"name"`
	VolumeID string `json:"volumeId"`
}

// Leftover is something that stays, and why.
type Leftover struct {
	What string `json:"what"`
	Why  string `json:"why"`
}
