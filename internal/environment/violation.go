package environment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// maxGiven bounds how much of a wrong value is repeated.
const maxGiven = 80

// Violation is one thing wrong with a request.
type Violation struct {
	// Pointer is the JSON pointer of the field; empty for the request as a whole.
	Pointer string
	// Given says what was found there, Allowed what may be there.
	Given, Allowed string
	// Hint is the corrected value or another way out, empty when there is none.
	Hint string
}

// Finding returns the violation as a finding that stops the execution.
func (v Violation) Finding() Finding {
	return Finding{
		Severity: finding.Error, Code: string(fault.InvalidRequest), Field: v.Pointer,
		Found: fmt.Sprintf("got %s, allowed: %s", v.Given, v.Allowed), Next: v.Hint,
	}
}

// Invalid returns the error that lists every one of the violations, ordered by field, or nil when
// there are none.
func Invalid(violations []Violation) error {
	if len(violations) == 0 {
		return nil
	}
	report := make([]Finding, len(violations))
	for i, v := range violations {
		report[i] = v.Finding()
	}
	sorted, _ := finding.Split(report)
	things := "1 thing is"
	if len(sorted) > 1 {
		things = fmt.Sprintf("%d things are", len(sorted))
	}
	return (&fault.Error{
		Code:     fault.InvalidRequest,
		Message:  finding.Text(things+" wrong with the request; nothing was created:", sorted),
		Findings: sorted,
	}).
		WithField(shorten(sorted[0].Field, 2*maxGiven)).
		WithNext("correct the request and start a new execution; statemachine/request.schema.json describes every field")
}

// given describes a value of a request for [Violation.Given].
func given(pointer string, value any) string {
	// The external id is a shared secret in many organizations.
	if pointer == "/externalId" {
		return typeOf(value) + " (not shown)"
	}
	switch value := value.(type) {
	case string:
		return quote(shorten(value, maxGiven))
	case map[string]any, []any, nil:
		return typeOf(value)
	default:
		return fmt.Sprintf("the %s %v", strings.TrimPrefix(typeOf(value), "a "), value)
	}
}

// typeOf names the JSON type of a decoded value.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default:
		return "a number"
	}
}

// quote returns s as a JSON string, without the escapes that only HTML needs.
func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// quoteAll returns the values quoted, with commas between.
func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return strings.Join(quoted, ", ")
}

// shorten cuts s to about limit bytes, between characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// pointerTo returns the JSON pointer (RFC 6901) of the given path.
func pointerTo(path ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, p := range path {
		b.WriteString("/" + escape.Replace(p))
	}
	return b.String()
}
