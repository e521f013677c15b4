package stack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// rehearse is Converge of an engine that changes nothing: it says what would be done. A stack that
// is to be made is read from its template, one that is to be updated is asked by a change set, which
// is deleted again. For a stack that does not exist there is no change set, because that would leave
// a stack in REVIEW_IN_PROGRESS behind (aws-traps.md, row 1.69).
func (c *convergence) rehearse(ctx context.Context, end time.Time) (Outcome, error) {
	made, err := c.spec.render()
	if err != nil {
		return Outcome{}, err
	}
	live, found, err := c.Describe(ctx, c.spec.Name)
	if err != nil {
		return Outcome{}, err
	}
	creation := Outcome{Change: environment.Created, Outputs: made.outputs(), Plan: &environment.Plan{Changes: made.resources()}}
	if !found {
		return creation, nil
	}
	// What the live stack does not say yet, an output that is new in the template, is known later.
	known := Outcome{StackID: live.StackID, Outputs: made.outputs()}
	maps.Copy(known.Outputs, live.Outputs)
	note := func(format string) *environment.Plan {
		return &environment.Plan{Notes: []string{fmt.Sprintf(format, c.spec.Name, live.Status)}}
	}
	switch actionFor(live.Status) {
	case update:
		return c.rehearseUpdate(ctx, live, known, end)
	case create:
		return creation, nil
	case replace:
		creation.Plan.Notes = note("stack %s is %s: it is deleted first, then made anew").Notes
		return creation, nil
	case join:
		known.Change, known.Plan = environment.Unknown, note("stack %s is %s: another operation is at work on it, and what is left to change is seen when that has ended")
		return known, nil
	case resume, rollback:
		known.Change, known.Plan = environment.Unknown, note("stack %s is %s: it is repaired first, and what an update changes is seen after that")
		return known, nil
	default:
		return Outcome{}, c.refusal(live)
	}
}

// rehearseUpdate says what an update of a sound stack would change. All kinds of updates are shown
// as one: the stack ends where one update would bring it.
func (c *convergence) rehearseUpdate(ctx context.Context, live Description, known Outcome, end time.Time) (Outcome, error) {
	if err := c.spec.checkFixed(live); err != nil {
		return Outcome{}, err
	}
	c.spec = c.spec.with(live)
	d, err := c.compare(ctx, live)
	if err != nil {
		return Outcome{}, err
	}
	known.Change = environment.Unchanged
	if len(d.steps()) > 0 {
		if err := c.readTemplate(ctx, live, &d); err != nil {
			return Outcome{}, err
		}
		changes, differs, err := c.changeSet(ctx, live, end)
		if err != nil {
			return Outcome{}, err
		}
		if err := c.spec.checkKept(changes); err != nil {
			return Outcome{}, err
		}
		if differs {
			known.Change, known.Plan = environment.Updated, &environment.Plan{Changes: changes, Because: d.reasons()}
		}
	}
	kept, err := c.policyKept(ctx, live)
	if err == nil && !kept {
		if known.Plan == nil {
			known.Change, known.Plan = environment.Updated, &environment.Plan{}
		}
		known.Plan.Notes = append(known.Plan.Notes, "the stack policy of "+c.spec.Name+" is set anew")
	}
	return known, err
}

// reasons lists what differs, in the words of a plan.
func (d difference) reasons() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.want)) {
		switch have, ok := d.live.Parameters[name]; {
		case slices.Contains(d.spec.Hidden, name):
		case !ok:
			all = append(all, fmt.Sprintf("parameter %s is new: %q", name, d.want[name]))
		case have != d.want[name]:
			all = append(all, fmt.Sprintf("parameter %s: %q becomes %q", name, have, d.want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.live.Parameters)) {
		if _, ok := d.want[name]; !ok {
			all = append(all, "parameter "+name+" goes")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.spec.Tags)) {
		switch have, ok := d.live.Tags[key]; {
		case !ok:
			all = append(all, fmt.Sprintf("tag %s is new: %q", key, d.spec.Tags[key]))
		case have != d.spec.Tags[key]:
			all = append(all, fmt.Sprintf("tag %s: %q becomes %q", key, have, d.spec.Tags[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.live.Tags)) {
		if _, ok := d.spec.Tags[key]; !ok {
			all = append(all, "tag "+key+" goes")
		}
	}
	if d.templateDiffers {
		all = append(all, "the template is another one, by the request or by this version of the provider")
	}
	for _, path := range d.paths(nil) {
		if taking(d.template, []string{path}, d.spec.Template) != d.template {
			all = append(all, "the template has another "+path)
		}
	}
	if !sameRole(d.live.RoleARN, d.spec.RoleARN) {
		all = append(all, "the service role becomes "+d.spec.RoleARN)
	}
	return all
}

// checkKept refuses changes that the stack's policy would stop half-way.
func (s Spec) checkKept(changes []environment.PlannedChange) error {
	for _, change := range changes {
		gone := change.Action == environment.Replaced || change.Action == environment.Removed
		if gone && s.protects(change.Name) {
			return fault.New(fault.Conflict, "%s %s of stack %s would be %s (%s), which its stack policy forbids",
				change.Type, change.Name, s.Name, change.Action, strings.Join(change.Details, ", ")).
				WithNext("bring back what the environment was made with, or make a new environment under another name")
		}
	}
	return nil
}
