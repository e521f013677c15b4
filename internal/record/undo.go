package record

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// Undo is what became of the wish that a first creation that fails is removed again.
type Undo struct {
	// Status is one of those below.
	Status string `json:"status"`
	// Why says why nothing is removed.
	Why string `json:"why,omitempty"`
	// Removed, Kept and Orphaned are as in [DeleteResult].
	Removed  []string               `json:"removed,omitempty"`
	Kept     []environment.Leftover `json:"kept,omitempty"`
	Orphaned []environment.Leftover `json:"orphaned,omitempty"`
	// Cause is why the removal failed as well.
	Cause *stage.Cause `json:"cause,omitempty"`
}

// What becomes of it.
const (
	// UndoKept: nothing is removed, and Why says why.
	UndoKept = "kept"
	// UndoBegun: the removal goes on, or the execution was stopped in it.
	UndoBegun = "begun"
	// UndoComplete: what was made is removed.
	UndoComplete = "complete"
	// UndoIncomplete: it is, but for what is orphaned.
	UndoIncomplete = "incomplete"
	// UndoFailed: the removal failed, and Cause says why.
	UndoFailed = "failed"
)

// undoOf decides whether what the execution has made is removed again; nil if nobody asked for that, or
// nothing is there. Only what was not there before may be removed. That is known from a look under the
// lock, by Bootstrap, and not from what this execution believes to have made.
func undoOf(s environment.State, ended bool, left string) *Undo {
	kept := func(why string) *Undo { return &Undo{Status: UndoKept, Why: why} }
	switch {
	case !s.Request.Undoes() || left == LeftNothing:
		return nil
	case ended:
		return kept("an execution that is over removes nothing; the operation delete does")
	case s.Lock == nil || s.Bootstrap == nil || s.Bootstrap.Before == nil:
		return kept("what there is was there before this execution, or is another's: this one had made nothing of the environment yet")
	case len(s.Bootstrap.Before) > 0:
		return kept("the environment was there before this execution, at least in part: " + strings.Join(clipped(s.Bootstrap.Before, 10), ", "))
	}
	return &Undo{Status: UndoBegun}
}

// undone is the record of the failure that was followed by a removal, and what the removal came to.
func undone(s environment.State, causes []stage.Cause) Document {
	var d Document
	if err := json.Unmarshal([]byte(s.Execution.Failure.Cause), &d); err != nil {
		d.Cause = stage.CauseOf("RecordFailure", fault.Wrap(fault.Internal, err, "the failure that was recorded cannot be read: %s", s.Execution.Failure.Cause))
	}
	result := removalOf(s)
	if len(causes) == 0 {
		result.addSurveyed(s.Survey, s.Drain)
	}
	d.Undo = &Undo{Status: UndoComplete, Removed: result.Removed, Kept: result.Kept, Orphaned: result.Orphaned}
	switch {
	case len(causes) > 0:
		d.Undo.Status, d.Undo.Cause = UndoFailed, &causes[0]
		d.Others = append(d.Others, causes[1:]...)
	case len(d.Undo.Orphaned) > 0:
		d.Undo.Status = UndoIncomplete
	}
	return d
}

// clip shortens the lists.
func (u Undo) clip(length int) *Undo {
	u.Removed = clipped(u.Removed, length)
	u.Kept, u.Orphaned = clippedLeftovers(u.Kept, length), clippedLeftovers(u.Orphaned, length)
	return &u
}

func clippedLeftovers(list []environment.Leftover, length int) []environment.Leftover {
	if len(list) <= length+1 {
		return list
	}
	more := environment.Leftover{What: fmt.Sprintf("and %d more", len(list)-length), Why: "the history has all of them"}
	return append(list[:length:length], more)
}
