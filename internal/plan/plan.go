// Package plan ends an execution of the operation plan: it makes the result document of what the
// stages, each for itself, have found out they would do. It calls nothing and must not know AWS.
package plan

import (
	"context"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/cost"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// Result is the output of an execution of the operation plan.
type Result struct {
	environment.Ending
	// Changes says whether the same request with the operation apply would change anything.
	Changes bool `json:"changes"`
	// Complete says whether everything could be seen. What could not stands in the stages' notes.
	Complete bool `json:"complete"`
	// Seconds is the time since the execution was started.
	Seconds float64 `json:"seconds"`
	Summary Summary `json:"summary"`
	// Table is the plan for people: lines whose columns are aligned.
	Table  []string `json:"table"`
	Stages []Stage  `json:"stages"`
	// Findings are what was noticed that stops nothing.
	Findings []finding.Finding `json:"findings"`
	// Cost is what the environment would cost in a month, by list prices.
	Cost cost.Estimate `json:"cost"`
	// ConsoleURL is the execution's page in the Step Functions console.
	ConsoleURL string `json:"consoleUrl"`
}

// Summary counts the changes by what would become of a thing.
type Summary struct {
	Added    int `json:"added"`
	Modified int `json:"modified"`
	Replaced int `json:"replaced"`
	Removed  int `json:"removed"`
}

// Stage is what one stage would do.
type Stage struct {
	Stage  string             `json:"stage"`
	Change environment.Change `json:"change"`
	environment.Plan
}

// Run makes the result document.
func Run(_ context.Context, in stage.Input) (*Result, error) {
	s := in.State
	result := &Result{
		Ending:     s.Ending("PLANNED"),
		Complete:   true,
		Seconds:    s.Execution.Seconds(time.Now()),
		Findings:   append(append([]finding.Finding{}, s.Findings...), held(s)...),
		Cost:       cost.Of(s),
		ConsoleURL: s.Execution.ConsoleURL(),
	}
	for _, progress := range s.Stages() {
		if progress.Name == "Lock" || progress.Name == "Verify" {
			continue // they never change an environment
		}
		planned, err := planOf(progress)
		if err != nil {
			return nil, err
		}
		result.Stages = append(result.Stages, planned)
		result.Changes = result.Changes || planned.Change != environment.Unchanged
		result.Complete = result.Complete && planned.Change != environment.Unknown
		for _, change := range planned.Plan.Changes {
			result.Summary.count(change.Action)
		}
	}
	result.Table = table(result.Stages, result.Summary)
	return result, nil
}

// planOf is one stage's plan. A stage that would change something says what: one that does not has
// been written without regard to plans.
func planOf(p environment.StageProgress) (Stage, error) {
	if p.Progress == nil {
		return Stage{}, fault.New(fault.Internal, "stage %s has planned nothing", p.Name)
	}
	planned := Stage{Stage: p.Name, Change: p.Progress.Change}
	if p.Progress.Plan != nil {
		planned.Plan = *p.Progress.Plan
	} else if planned.Change != environment.Unchanged {
		return Stage{}, fault.New(fault.Internal, "stage %s would have %s something and does not say what", p.Name, planned.Change)
	}
	return planned, nil
}

func (s *Summary) count(action environment.Action) {
	switch action {
	case environment.Added:
		s.Added++
	case environment.Modified:
		s.Modified++
	case environment.Replaced:
		s.Replaced++
	case environment.Removed:
		s.Removed++
	}
}

// held notes an execution that works on the environment: a plan takes no lock and waits for none.
func held(s environment.State) []finding.Finding {
	if s.Lock == nil || s.Lock.HeldBy == "" {
		return nil
	}
	holder := environment.Execution{ARN: s.Lock.HeldBy}
	return []finding.Finding{
		finding.Warningf("EnvironmentHeld", "", "execution %s is working on the environment, so that what is planned here may be out of date already", holder.ARN).
			WithNext("plan again when that execution has ended: %s", holder.ConsoleURL()),
	}
}
