package environment

import (
	"cmp"
	"slices"
)

// Plan is what a stage would do, found out by an execution of the operation plan.
type Plan struct {
	Changes []PlannedChange `json:"changes,omitempty"`
	// Because lists what differs between what is asked for and what is there, where a stack is to be
	// updated: parameters with both values, tags, the template.
	Because []string `json:"because,omitempty"`
	// Notes say what a reader has to know besides: what could not be seen, what is made anew.
	Notes []string `json:"notes,omitempty"`
}

// With returns the plan with further changes; p may be nil.
func (p *Plan) With(changes ...PlannedChange) *Plan {
	if len(changes) == 0 {
		return p
	}
	if p == nil {
		p = &Plan{}
	}
	p.Changes = append(p.Changes, changes...)
	return p
}

// And returns the plan of a stage that would do both; either may be nil.
func (p *Plan) And(other *Plan) *Plan {
	if p == nil || other == nil {
		return cmp.Or(p, other)
	}
	return &Plan{
		Changes: slices.Concat(p.Changes, other.Changes),
		Because: slices.Concat(p.Because, other.Because),
		Notes:   slices.Concat(p.Notes, other.Notes),
	}
}

// Action is what would become of one resource, object or release.
type Action string

// The actions of a plan.
const (
	Added    Action = "added"
	Modified Action = "modified"
	// Replaced is made anew, and the old one is removed.
	Replaced Action = "replaced"
	Removed  Action = "removed"
)

// PlannedChange is what would become of one thing.
type PlannedChange struct {
	Action Action `json:"action"`
	// Type is CloudFormation's name of the type, a Kubernetes kind, or "Helm release".
	Type string `json:"type"`
	// Name is the logical id in the stack, or the name in the cluster with its namespace.
	Name string `json:"name"`
	// ID is the physical id of what exists.
	ID string `json:"id,omitempty"`
	// Details name what would change: properties, fields, chart version.
	Details []string `json:"details,omitempty"`
}

// KnownAfterApply stands for what a plan cannot know: the id of something that is still to be made.
const KnownAfterApply = "(known after apply)"

// Plans reports whether r asks what would be changed. Nothing may be changed then.
func (r Request) Plans() bool { return r.Operation == OperationPlan }
