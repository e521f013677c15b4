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
	Status      string `json:"status"`
	Operation   string `json:"operation"`
	Environment string `json:"environment"`
	AccountID   string `json:"awsAccountID"`
	Region      string `json:"awsRegion"`
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
type CompleteDelete struct {
	history *History
	locks   releaser
}

// NewCompleteDelete returns the stage.
func NewCompleteDelete(h *History, l releaser) *CompleteDelete {
	return &CompleteDelete{history: h, locks: l}
}

// Run records the removal and gives the lock back.
func (c *CompleteDelete) Run(ctx context.Context, in stage.Input) (*DeleteResult, error) {
	result := deleteResultOf(in.State, time.Now())
	if err := c.history.Append(ctx, in.State, result.Status, result); err != nil {
		return nil, err
	}
	if err := c.locks.Release(ctx, in.State.Request, in.State.Execution.ARN); err != nil {
		return nil, err
	}
	return result, nil
}

func deleteResultOf(s environment.State, now time.Time) *DeleteResult {
	result := &DeleteResult{
		Status:      "SUCCEEDED",
		Operation:   s.Request.Operation,
		Environment: s.Names.Environment,
		AccountID:   s.Request.AccountID,
		Region:      s.Request.Region,
		Seconds:     s.Execution.Seconds(now),
		Removed:     []string{},
		Kept:        []environment.Leftover{},
		Orphaned:    []environment.Leftover{},
		ConsoleURL:  s.Execution.ConsoleURL(),
	}
	result.Stages, result.Changed = stageResults(s.Removals())
	for _, r := range s.RemovalSections() {
		result.Removed = append(result.Removed, r.Removed...)
		result.Kept = append(result.Kept, r.Kept...)
		result.Orphaned = append(result.Orphaned, r.Orphaned...)
	}
	result.addSurveyed(s.Survey)
	return result
}

// addSurveyed adds what was found at the start and is not said to be still there: a state that was
// called several times reports only what its last call removed, and much goes with what it hung on.
func (r *DeleteResult) addSurveyed(survey *environment.Survey) {
	if survey == nil {
		return
	}
	stays := func(what string) bool {
		is := func(l environment.Leftover) bool { return l.What == what }
		return slices.ContainsFunc(r.Kept, is) || slices.ContainsFunc(r.Orphaned, is)
	}
	for _, what := range survey.Leftovers {
		if !slices.Contains(r.Removed, what) && !stays(what) {
			r.Removed = append(r.Removed, what)
		}
	}
}
