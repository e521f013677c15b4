package teardown

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// item is one of the environment's resources outside of its stacks.
type item struct {
	// what names it for people: its kind and its id.
	what   string
	remove func(context.Context) error
}

// finder looks for the environment's resources of one kind.
type finder func(context.Context) ([]item, error)

// found lists what the finders find, by name.
func found(ctx context.Context, finders []finder) ([]string, error) {
	list := []string{}
	for _, find := range finders {
		items, err := find(ctx)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			list = append(list, i.what)
		}
	}
	return list, nil
}

// sweep is what became of the items that were found so far.
type sweep struct {
	removed map[string]bool
	// seen is what the last pass has still found and not given up.
	seen map[string]bool
	// held are the reasons why something could not go yet, and refused why it cannot.
	held, refused map[string]string
}

func newSweep() *sweep {
	return &sweep{removed: map[string]bool{}, seen: map[string]bool{}, held: map[string]string{}, refused: map[string]string{}}
}

// run removes what the finders find, in their order, and looks again until nothing is left that could
// be removed. What something still holds on to is [fault.InProgress]; so is a pass that has achieved
// nothing, since the next one is to come after a pause.
func (s *sweep) run(ctx context.Context, finders ...finder) error {
	// The second pass confirms the first. More than two are of use where one kind waits for another.
	for before := -1; before < s.settled(); {
		before = s.settled()
		clear(s.held)
		clear(s.seen)
		for _, find := range finders {
			items, err := find(ctx)
			if err != nil {
				return err
			}
			for _, i := range items {
				if _, no := s.refused[i.what]; no {
					continue
				}
				s.seen[i.what] = true
				if err := s.remove(ctx, i); err != nil {
					return err
				}
			}
		}
		if len(s.seen) == 0 {
			return nil
		}
	}
	for _, what := range slices.Sorted(maps.Keys(s.held)) {
		return fault.New(fault.InProgress, "%s cannot be removed yet: %s", what, s.held[what])
	}
	return fault.New(fault.InProgress, "what was removed is still seen")
}

// settled counts what was removed or given up.
func (s *sweep) settled() int { return len(s.removed) + len(s.refused) }

// refusal says why an item will not go by itself, and what a person has to do.
type refusal struct{ why string }

func (r refusal) Error() string { return r.why }

// remove removes one item. Only an error that has nothing to do with the item is returned.
func (s *sweep) remove(ctx context.Context, i item) error {
	err := i.remove(ctx)
	switch {
	case errors.As(err, new(refusal)):
		s.refused[i.what] = err.Error()
	case err == nil, awsfault.Gone(err):
		s.removed[i.what] = true
	case isHeld(err):
		s.held[i.what] = err.Error()
	case account.Classify(err, "remove").(*fault.Error).Code.Retried(): //nolint:errorlint // made here
		return account.Classify(err, "remove %s", i.what)
	default:
		s.refused[i.what] = err.Error()
	}
	return nil
}

// section is the outcome. What is still held or seen when patience has ended is orphaned.
func (s *sweep) section() *environment.Removal {
	r := empty()
	for what, why := range s.held {
		r.Orphaned = append(r.Orphaned, environment.Leftover{What: what, Why: why})
	}
	for what, why := range s.refused {
		r.Orphaned = append(r.Orphaned, environment.Leftover{What: what, Why: why})
	}
	slices.SortFunc(r.Orphaned, func(a, b environment.Leftover) int { return strings.Compare(a.What, b.What) })
	for _, what := range slices.Sorted(maps.Keys(s.removed)) {
		if !s.seen[what] {
			r.Removed = append(r.Removed, what)
		}
	}
	for what := range s.seen {
		if s.removed[what] && s.held[what] == "" {
			r.Orphaned = append(r.Orphaned, environment.Leftover{What: what, Why: "AWS has accepted its deletion and still shows it"})
		}
	}
	if len(r.Removed) > 0 {
		r.Change = environment.Deleted
	}
	return r
}

// empty is a section of nothing done.
func empty() *environment.Removal {
	return &environment.Removal{
		Progress: environment.Progress{Change: environment.Unchanged},
		Removed:  []string{}, Kept: []environment.Leftover{}, Orphaned: []environment.Leftover{},
	}
}

// isHeld reports whether something holds on to the resource and may let go of it.
func isHeld(err error) bool {
	name := awsfault.NameOf(err)
	if name == "InvalidParameterValue" { // what EC2 says of an interface, and of much else
		return strings.Contains(err.Error(), "in use")
	}
	return slices.Contains([]string{
		"DependencyViolation", "ResourceInUse", "ResourceInUseException", "VolumeInUse", "InvalidNetworkInterface.InUse", "OperationAbortedException",
	}, name)
}
