package client

import (
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// view is what a client may do with the cluster, and what it can see of it.
type view int

const (
	// acts changes what it is asked to.
	acts view = iota
	// asks has the kubectl function say what would be changed.
	asks
	// imagines knows that there is no cluster: everything would be made.
	imagines
	// waits cannot ask: the cluster is being changed, or there is no kubectl function.
	waits
)

// blind reports whether nothing of the cluster can be seen.
func (v view) blind() bool { return v == imagines || v == waits }

// viewOf is the view of s's cluster. In a plan the sections say what would become of the stacks.
func viewOf(s environment.State) view {
	if !s.Request.Plans() {
		return acts
	}
	switch {
	case s.Cluster.Change == environment.Created:
		return imagines
	case s.Cluster.Change == environment.Unknown, s.Kubectl.Change == environment.Created, s.Kubectl.Change == environment.Unknown:
		return waits
	}
	return asks
}

// Progress begins the section of a stage that changed objects, or for a plan would.
func (c *Client) Progress(changes []Change) environment.Progress {
	change, _ := Summarize(changes)
	progress := environment.Progress{Change: change}
	switch c.view {
	case acts:
		return progress
	case waits:
		return environment.Progress{Change: environment.Unknown, Plan: &environment.Plan{
			Notes: []string{"the cluster cannot be looked into: its stack is being changed, or there is no kubectl function to ask"},
		}}
	}
	for _, change := range changes {
		if change.Change != environment.Unchanged {
			progress.Plan = progress.Plan.With(planned(change))
		}
	}
	return progress
}

// planned is a change in the words of a plan.
func planned(c Change) environment.PlannedChange {
	kind, name, _ := strings.Cut(c.Object, " ")
	if kind == "Release" {
		kind = "Helm release"
	}
	p := environment.PlannedChange{Action: environment.Modified, Type: kind, Name: name, Details: c.Details}
	if c.Change == environment.Created {
		p.Action = environment.Added
	}
	return p
}

// made says of all objects that they would be created.
func made(objects []Object) []Change {
	var changes []Change
	for _, o := range objects {
		kind, _ := o["kind"].(string)
		metadata, _ := o["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		if namespace, _ := metadata["namespace"].(string); namespace != "" {
			name = namespace + "/" + name
		}
		changes = append(changes, Change{Object: kind + " " + name, Change: environment.Created})
	}
	return changes
}
