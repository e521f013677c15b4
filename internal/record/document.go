package record

import (
	"encoding/json"
	"fmt"

	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// What is left of an environment after a failure, by a look at what there is.
const (
	LeftNothing   = "nothing"
	LeftSomething = "something"
	// LeftUnknown means that the account could not be looked at.
	LeftUnknown = "unknown"
)

// Document is the failure record: what went wrong, what exists now and how to go on. It is the
// execution's cause, the document of its row in the history, and part of the event of its end.
type Document struct {
	stage.Cause
	// Others are the causes of further branches that failed at the same time.
	Others []stage.Cause `json:"others,omitempty"`
	// LeftBehind says whether there is anything of the environment: nothing, something or unknown.
	LeftBehind string `json:"leftBehind"`
	// Exists lists what there is: the environment's stacks with their status, and what was found
	// beside them.
	Exists []string `json:"exists"`
	// Undo is what became of the wish that what was made is removed again, if the request has it.
	Undo *Undo `json:"undo,omitempty"`
}

// maxCause is what Step Functions takes as a cause, in characters (aws-traps.md, row 3.5).
const maxCause = 32_768

// text is the document as the execution's cause. Messages are bounded where they are made; here the
// lists are, as far as they have to be. The history has them whole.
func (d Document) text() string {
	exists, undo := d.Exists, d.Undo
	for length := 1024; ; length /= 2 {
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil { // strings and lists of them can always be encoded
			return d.Message
		}
		if len(text) <= maxCause || length == 0 {
			return string(text)
		}
		d.Exists = clipped(exists, length)
		if undo != nil {
			d.Undo = undo.clip(length)
		}
	}
}

// clipped is the list up to a length, and how much more there was.
func clipped(list []string, length int) []string {
	if len(list) <= length+1 {
		return list
	}
	return append(list[:length:length], fmt.Sprintf("and %d more", len(list)-length))
}
