package record

import (
	"context"
	"slices"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// DeleteResult is the result document of an execution that removed an environment.
type DeleteResult struct {
	environment.Ending
	// Changed says whether there was anything to remove.
	Changed bool          `json:"changed"`
	Seconds float64       `json:"seconds"`
	Stages  []StageResult `json:"stages"`
	// Removed names what is gone.
	Removed []string `json:"removed"`
	// Kept stays because it was asked for, or because AWS takes its time.
	Kept []environment.Leftover `json:"kept"`
	// Orphaned stays although it should not: somebody has to look at it.
	Orphaned   []environment.Leftover `json:"orphaned"`
	ConsoleURL string                 `json:"consoleUrl"`
}

// CompleteDelete is the stage of that name.
type CompleteDelete struct{ success }

// NewCompleteDelete returns the stage.
func NewCompleteDelete(h *History, l releaser, b *Bus) *CompleteDelete {
	return &CompleteDelete{success{history: h, locks: l, bus: b}}
}

// Run records the removal, gives the lock back and tells of the end.
func (c *CompleteDelete) Run(ctx context.Context, in stage.Input) (*DeleteResult, error) {
	result := deleteResultOf(in.State, time.Now())
	if err := c.conclude(ctx, in.State, result); err != nil {
		return nil, err
	}
	return result, nil
}

func deleteResultOf(s environment.State, now time.Time) *DeleteResult {
	result := removalOf(s)
	result.Ending = s.Ending(succeeded)
	result.Seconds = s.Execution.Seconds(now)
	result.ConsoleURL = s.Execution.ConsoleURL()
	result.Stages, result.Changed = stageResults(s.Removals())
	result.addSurveyed(s.Survey, s.Drain)
	return result
}

// removalOf is as much of the result as says what was removed.
func removalOf(s environment.State) *DeleteResult {
	result := &DeleteResult{Removed: []string{}, Kept: []environment.Leftover{}, Orphaned: []environment.Leftover{}}
	for _, r := range s.RemovalSections() {
		result.Removed = append(result.Removed, r.Removed...)
		result.Kept = append(result.Kept, r.Kept...)
		result.Orphaned = append(result.Orphaned, r.Orphaned...)
	}
	return result
}

// addSurveyed adds what was found at the start and is not said to be still there: a state that was
// called several times reports only what its last call removed, and much goes with what it hung on. A
// protection is something that is removed, too. Objects of a cluster that was deleted without a look into
// it are not said to be.
func (r *DeleteResult) addSurveyed(survey *environment.Survey, drain *environment.Drain) {
	if survey == nil {
		return
	}
	stays := func(what string) bool {
		is := func(l environment.Leftover) bool { return l.What == what }
		return slices.ContainsFunc(r.Kept, is) || slices.ContainsFunc(r.Orphaned, is)
	}
	add := func(found []string, text string) {
		for _, what := range found {
			if !slices.Contains(r.Removed, text+what) && !stays(what) {
				r.Removed = append(r.Removed, text+what)
			}
		}
	}
	add(survey.Leftovers, "")
	if drain != nil && drain.Reached {
		add(survey.Objects, "")
	}
	add(survey.Protected, "protection from deletion of ")
}
