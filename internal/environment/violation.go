package environment

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// maxMessage bounds the text of an invalid request, as JSON. The text is escaped twice on its way
// through Lambda and Step Functions, which cuts a cause at 32,768 characters (aws-traps.md, row
// 3.5); this leaves room for that.
const maxMessage = 10_000

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

// String returns the violation as one line.
func (v Violation) String() string {
	pointer := v.Pointer
	if pointer == "" {
		pointer = "the request"
	}
	line := fmt.Sprintf("%s: got %s, allowed: %s", shorten(pointer, 2*maxGiven), v.Given, v.Allowed)
	if v.Hint != "" {
		line += "; " + v.Hint
	}
	return line
}

// Invalid returns the error that lists every one of the violations, ordered by field, or nil when
// there are none.
func Invalid(violations []Violation) error {
	if len(violations) == 0 {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(violations), func(a, b Violation) int {
		return cmp.Compare(a.Pointer, b.Pointer)
	})
	things := "1 thing is"
	if len(sorted) > 1 {
		things = fmt.Sprintf("%d things are", len(sorted))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s wrong with the request; nothing was created:", things)
	size := text.Len()
	for i, v := range sorted {
		line := "\n- " + v.String()
		size += len(quote(line))
		if size > maxMessage {
			fmt.Fprintf(&text, "\n- … and %d more", len(sorted)-i)
			break
		}
		text.WriteString(line)
	}
	return (&fault.Error{Code: fault.InvalidRequest, Message: text.String()}).
		WithField(shorten(sorted[0].Pointer, 2*maxGiven)).
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
