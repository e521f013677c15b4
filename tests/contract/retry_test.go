package contract_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// codes are the design's error codes (design, decision 5).
var codes = []string{
	"InvalidRequest", "PreflightFailed", "Conflict", "AccessDenied", "QuotaExceeded",
	"InProgress", "Throttled", "Transient", "Failed", "Internal",
}

// lambdaErrors are Lambda's own failures (aws-traps.md, row 3.1). A hiccup of Lambda must not end an
// hour of work, so every Task retries them.
var lambdaErrors = []string{
	"Lambda.ClientExecutionTimeoutException", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.Unknown",
}

// foreign are further errors that Lambda and Step Functions raise.
var foreign = []string{
	"Lambda.TooManyRequestsException", "Lambda.ResourceNotReadyException", "Lambda.ENINotReadyException", "Sandbox.Timedout", "Runtime.ExitError",
	"States.Timeout", "States.ALL", "States.TaskFailed",
}

// neverAtWork are the stages that raise no InProgress, with the reason.
var neverAtWork = map[string]string{
	"Preflight": "only reads",
	"Complete":  "writes two rows and sends an event",
	"Plan":      "sends an event",

	"CompleteDelete": "writes two rows and sends an event",
}

func TestCodes(t *testing.T) {
	var got []string
	for _, c := range fault.Codes() {
		got = append(got, string(c))
	}
	if diff := cmp.Diff(codes, got); diff != "" {
		t.Errorf("fault.Codes (-design +code):\n%s", diff)
	}
}

// A misspelt error name matches nothing, silently.
func TestErrorNamesExist(t *testing.T) {
	known := slices.Concat(codes, lambdaErrors, foreign)
	definition(t).each(func(name string, s state) {
		var errors []string
		for _, r := range s.Retry {
			errors = append(errors, r.ErrorEquals...)
		}
		for _, c := range s.Catch {
			errors = append(errors, c.ErrorEquals...)
		}
		for _, e := range errors {
			if !slices.Contains(known, e) {
				t.Errorf("%s: nothing raises the error %q", name, e)
			}
		}
		// The first retrier that names an error decides; a second one is dead.
		slices.Sort(errors)
		if len(slices.Compact(errors)) != len(errors) {
			t.Errorf("%s: an error is named twice: %v", name, errors)
		}
	})
}

// Codes that no retry can cure must not be retried, and States.ALL would retry them all.
func TestOnlyRetriedCodesAreRetried(t *testing.T) {
	retried := []string{"InProgress", "Throttled", "Transient"}
	definition(t).each(func(name string, s state) {
		for _, r := range s.Retry {
			for _, e := range r.ErrorEquals {
				if slices.Contains(codes, e) && !slices.Contains(retried, e) || e == "States.ALL" || e == "States.TaskFailed" {
					t.Errorf("%s: retries %s", name, e)
				}
			}
		}
	})
	for _, c := range fault.Codes() {
		if got, want := c.Retried(), slices.Contains(retried, string(c)); got != want {
			t.Errorf("%s: Retried is %t, the definition retries it: %t", c, got, want)
		}
	}
}

func TestTasksRetryAndCatch(t *testing.T) {
	for name, s := range definition(t).tasks() {
		want := slices.Concat([]string{"Throttled", "Lambda.TooManyRequestsException", "Transient", "States.Timeout"}, lambdaErrors)
		if _, never := neverAtWork[name]; !never {
			want = append(want, "InProgress")
		}
		for _, e := range want {
			if !slices.ContainsFunc(s.Retry, func(r retrier) bool { return r.handles(e) }) {
				t.Errorf("%s: does not retry %s", name, e)
			}
		}
		if len(s.Catch) == 0 || !slices.Equal(s.Catch[len(s.Catch)-1].ErrorEquals, []string{"States.ALL"}) {
			t.Errorf("%s: its last Catch is not States.ALL", name)
		}
		for _, c := range s.Catch {
			if !strings.HasPrefix(c.ResultPath, "$.") {
				t.Errorf("%s: catches into %q, so that the state document is lost", name, c.ResultPath)
			}
		}
		if s.TimeoutSeconds <= 0 {
			t.Errorf("%s: no TimeoutSeconds", name)
		}
	}
	for name := range neverAtWork {
		if _, ok := definition(t).tasks()[name]; !ok {
			t.Errorf("%s raises no InProgress and is no state", name)
		}
	}
}

// The limits are Step Functions'; the local interpreter enforces none of them (aws-traps.md, row 3.2).
func TestRetriers(t *testing.T) {
	definition(t).each(func(name string, s state) {
		for _, r := range s.Retry {
			switch {
			case r.MaxAttempts == nil || *r.MaxAttempts < 1 || *r.MaxAttempts > 99_999_999:
				t.Errorf("%s: %v has no MaxAttempts from 1 to 99,999,999, and the default is 3", name, r.ErrorEquals)
			case r.IntervalSeconds == nil || *r.IntervalSeconds < 1:
				t.Errorf("%s: %v has no IntervalSeconds of at least 1", name, r.ErrorEquals)
			case r.BackoffRate == nil || *r.BackoffRate < 1:
				t.Errorf("%s: %v has no BackoffRate of at least 1, and the default is 2", name, r.ErrorEquals)
			case r.MaxDelaySeconds != nil && (*r.MaxDelaySeconds <= *r.IntervalSeconds || *r.MaxDelaySeconds >= 31_622_400):
				t.Errorf("%s: %v has a MaxDelaySeconds of %d, outside of %d to 31,622,400", name, r.ErrorEquals, *r.MaxDelaySeconds, *r.IntervalSeconds)
			case !slices.Contains([]string{"", "NONE", "FULL"}, r.JitterStrategy):
				t.Errorf("%s: %v has the JitterStrategy %q", name, r.ErrorEquals, r.JitterStrategy)
			}
			if r.handles("InProgress") && (*r.BackoffRate != 1 || r.JitterStrategy == "FULL" || len(r.ErrorEquals) != 1) {
				t.Errorf("%s: InProgress is looked at again at a steady pace, alone, without backoff or jitter", name)
			}
			if r.handles("Throttled", "Lambda.TooManyRequestsException") && (r.JitterStrategy != "FULL" || r.MaxDelaySeconds == nil) {
				t.Errorf("%s: %v has to spread (JitterStrategy FULL, MaxDelaySeconds)", name, r.ErrorEquals)
			}
		}
	})
}

// Throttled invocations are retried for long: an account with ten concurrent functions serves several
// environments one after the other (aws-traps.md, row 3.4). FULL jitter halves the delays on average.
func TestThrottledWaitsLong(t *testing.T) {
	for name, s := range definition(t).tasks() {
		for _, r := range s.Retry {
			if !r.handles("Lambda.TooManyRequestsException") {
				continue
			}
			total, delay := 0.0, float64(*r.IntervalSeconds)
			for range *r.MaxAttempts {
				total += delay / 2
				delay = min(delay**r.BackoffRate, float64(*r.MaxDelaySeconds))
			}
			if total < 25*60 {
				t.Errorf("%s: gives up after %.0f s of throttling on average", name, total)
			}
		}
	}
}

// An execution has 25,000 events, shared by all branches; an attempt writes three (aws-traps.md,
// row 3.3). The sum is over every retrier of every state of an operation, which no execution can reach:
// the machine's own timeout ends it long before.
func TestHistoryBudget(t *testing.T) {
	const eventsPerAttempt, budget = 3, 20_000
	for _, removes := range []bool{false, true} {
		events := 0
		definition(t).each(func(name string, s state) {
			_, removal := removing[name]
			_, both := map[string]bool{"Preflight": true, "Lock": true, "Bootstrap": true, "RecordFailure": true}[name]
			for _, r := range s.Retry {
				if removal == removes || both {
					events += *r.MaxAttempts * eventsPerAttempt
				}
			}
		})
		if events >= budget {
			t.Errorf("retries can write %d events, want fewer than %d", events, budget)
		}
		t.Logf("retries can write %d of 25,000 events", events)
	}
}

// The machine's timeout is the last resort: it must leave each stage its own patience.
func TestMachineOutlastsItsStages(t *testing.T) {
	const attempt = 25 // seconds of one long poll
	m := definition(t)
	if m.TimeoutSeconds <= 0 {
		t.Fatal("the machine has no TimeoutSeconds, and would run for a year")
	}
	for name, s := range m.tasks() {
		for _, r := range s.Retry {
			if r.handles("InProgress") && *r.MaxAttempts*(*r.IntervalSeconds+attempt) >= m.TimeoutSeconds && name != "RecordFailure" {
				t.Errorf("%s: waits longer for InProgress than the machine's %d s", name, m.TimeoutSeconds)
			}
		}
	}
}

// EKS can have an update in progress for an hour and deletes no cluster meanwhile (aws-traps.md, row 1.7); the
// deletion itself lasts up to 9 minutes and 12 seconds there (section 7).
func TestClusterDeletionOutlastsAnUpdate(t *testing.T) {
	const (
		attempt = 20 // seconds of one long poll with the shortest pauses
		lasts   = 3600 + 552
	)
	for _, r := range definition(t).tasks()["DeleteCluster"].Retry {
		if patience := *r.MaxAttempts * (*r.IntervalSeconds + attempt); r.handles("InProgress") && patience <= lasts {
			t.Errorf("the attempts last %d s, want more than %d s", patience, lasts)
		}
	}
}

// RecordFailure records after 50 minutes what still moves then (docs/architecture.md). Attempts that end
// before that would end the execution without a record; a look can be as short as nothing.
func TestRecorderOutlastsItsPatience(t *testing.T) {
	const patience = 50 * 60
	for _, r := range definition(t).tasks()["RecordFailure"].Retry {
		if lasts := *r.MaxAttempts * *r.IntervalSeconds; r.handles("InProgress") && lasts <= patience {
			t.Errorf("the attempts last %d s, want more than %d s", lasts, patience)
		}
	}
}

// Facts of the Amazon States Language that Step Functions checks on deployment and the local
// interpreter does not (aws-traps.md, row 3.6 for the length of names).
func TestStates(t *testing.T) {
	m, seen := definition(t), map[string]bool{}
	if m.Comment == "" {
		t.Error("the machine has no Comment")
	}
	m.each(func(name string, s state) {
		if n := utf8.RuneCountInString(name); n > 80 {
			t.Errorf("%s: a name of %d characters, allowed are 80", name, n)
		}
		if seen[name] {
			t.Errorf("%s: two states have this name", name)
		}
		seen[name] = true
		if s.Comment == "" {
			t.Errorf("%s: no Comment", name)
		}
		if !slices.Contains([]string{"Task", "Pass", "Choice", "Parallel", "Fail"}, s.Type) {
			t.Errorf("%s: of type %q", name, s.Type)
		}
		ends := 0
		for _, end := range []bool{s.End, s.Next != "", s.Type == "Choice", s.Type == "Fail"} {
			if end {
				ends++
			}
		}
		if ends != 1 {
			t.Errorf("%s: needs exactly one of End and Next, a Choice or Fail neither", name)
		}
		if s.Type != "Task" && len(s.Retry)+len(s.Catch) > 0 {
			t.Errorf("%s: a %s that retries or catches: branches catch into their own output", name, s.Type)
		}
	})
	reachable(t, "the machine", m)
}

// reachable checks that every transition ends in a state of the same machine and that every state
// has a transition to it.
func reachable(t *testing.T, where string, m machine) {
	t.Helper()
	reached := map[string]bool{m.StartAt: true}
	for name, s := range m.States {
		targets := []string{s.Next, s.Default}
		for _, c := range s.Catch {
			targets = append(targets, c.Next)
		}
		for _, c := range s.Choices {
			targets = append(targets, c.Next)
		}
		for _, target := range targets {
			if _, ok := m.States[target]; !ok && target != "" {
				t.Errorf("%s: %s goes to %q, which is not there", where, name, target)
			}
			reached[target] = true
		}
		for _, b := range s.Branches {
			reachable(t, "a branch of "+name, b)
		}
	}
	for name := range m.States {
		if !reached[name] {
			t.Errorf("%s: nothing goes to %s", where, name)
		}
	}
}
