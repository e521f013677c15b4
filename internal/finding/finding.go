// Package finding owns what a check has to say: one thing that is so, how grave it is, and what to do
// about it. Preflight and Verify make findings; the result document and the failure record show them.
// It must not know what is checked.
package finding

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity says whether a finding stops the execution.
type Severity string

const (
	// Error stops the execution before anything is made.
	Error Severity = "error"
	// Warning stands in the result and stops nothing.
	Warning Severity = "warning"
)

// Finding is one thing that a check found.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code is the finding's fixed name, such as QuotaExceeded.
	Code string `json:"code"`
	// Field is the JSON pointer of the request field that it is about, empty when there is none.
	Field string `json:"field,omitempty"`
	// Found is one sentence on what is so, Next one on what to do.
	Found string `json:"found"`
	Next  string `json:"next,omitempty"`
}

// Errorf returns a finding that stops the execution. The sentence is made from format.
func Errorf(code, field, format string, args ...any) Finding {
	return Finding{Severity: Error, Code: code, Field: field, Found: fmt.Sprintf(format, args...)}
}

// Warningf returns a finding that stops nothing. The sentence is made from format.
func Warningf(code, field, format string, args ...any) Finding {
	return Finding{Severity: Warning, Code: code, Field: field, Found: fmt.Sprintf(format, args...)}
}

// WithNext returns f with what to do.
func (f Finding) WithNext(format string, args ...any) Finding {
	f.Next = fmt.Sprintf(format, args...)
	return f
}

// String returns the finding as one line.
func (f Finding) String() string {
	line := f.Found
	if f.Field != "" {
		line = shorten(f.Field) + ": " + line
	}
	if f.Next != "" {
		line += "; " + f.Next
	}
	return line
}

// Split returns the errors and the warnings of a report, each ordered by field.
func Split(report []Finding) (errors, warnings []Finding) {
	for _, f := range slices.SortedStableFunc(slices.Values(report), byField) {
		if f.Severity == Error {
			errors = append(errors, f)
		} else {
			warnings = append(warnings, f)
		}
	}
	return errors, warnings
}

func byField(a, b Finding) int { return cmp.Compare(a.Field, b.Field) }

// maxText bounds a report's text and its JSON. Both are escaped twice on their way through Lambda and
// Step Functions, which cuts a cause at 32,768 characters (aws-traps.md, row 3.5).
const maxText = 9_000

// Text returns heading, with every finding on a line of its own below it, warnings marked so. What would make the text too
// long is counted only.
func Text(heading string, report []Finding) string {
	var text strings.Builder
	text.WriteString(heading)
	size := encoded(heading)
	for i, f := range report {
		line := "\n- " + f.String()
		if f.Severity == Warning {
			line = "\n- warning: " + f.String()
		}
		if size += encoded(line); size > maxText {
			fmt.Fprintf(&text, "\n- … and %d more", len(report)-i)
			break
		}
		text.WriteString(line)
	}
	return text.String()
}

// Fitting returns as many findings of the report, from its beginning, as a failure's cause has room for.
func Fitting(report []Finding) []Finding {
	size := 0
	for i, f := range report {
		if size += encoded(f); size > maxText {
			return report[:i]
		}
	}
	return report
}

// encoded is the length of v as JSON.
func encoded(v any) int {
	text, _ := json.Marshal(v) // a finding, or a string, can always be encoded
	return len(text)
}

// maxField bounds the pointer of a field, whose name may be anything.
const maxField = 160

func shorten(s string) string {
	if len(s) <= maxField {
		return s
	}
	limit := maxField
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
