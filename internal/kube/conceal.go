package kube

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// concealed is an error of the API server without what its text quotes of an object.
type concealed struct {
	error
	text string
}

func (c concealed) Error() string { return c.text }

// Unwrap keeps the error's status for those who branch on it.
func (c concealed) Unwrap() error { return c.error }

// conceal leaves what the API server quotes of an object out of an error's text, because the text
// gets further than the object: into the caller's log and the execution's history. A manifest's
// values can be secret in any kind, so none is quoted.
func conceal(err error) error {
	var known concealed
	var answer apierrors.APIStatus
	if errors.As(err, &known) || !errors.As(err, &answer) {
		return err
	}
	status := answer.Status()
	text := withoutTypedValue.ReplaceAllString(status.Message, "another type was sent")
	switch {
	case status.Details != nil && (status.Details.Kind == "Secret" || status.Details.Kind == "secrets"):
		text = bare(status)
	case status.Reason == metav1.StatusReasonInvalid:
		text = violations(status)
	}
	if text == status.Message {
		return err
	}
	// The error can say more than its status, such as which object of a chart it is about.
	before, after, found := strings.Cut(err.Error(), status.Message)
	if !found || status.Message == "" {
		return concealed{err, text}
	}
	return concealed{err, before + text + after}
}

// concealSecret is conceal for an error about a Secret, of which no word of the API server's is
// repeated: an admission webhook's refusal, say, names no kind and may quote anything.
func concealSecret(err error) error {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return err
	}
	return concealed{err, bare(answer.Status())}
}

// withoutTypedValue is how server-side apply quotes a value of the wrong type, up to the end: the
// value may have any form.
var withoutTypedValue = regexp.MustCompile(`(?s)got &value\.value\w*\{.*`)

// bare says what a status means without its message.
func bare(status metav1.Status) string {
	text := fmt.Sprintf("the API server answered %d %s", status.Code, status.Reason)
	if fields := fieldsOf(status); len(fields) > 0 {
		text += " because of " + strings.Join(fields, ", ")
	}
	return strings.TrimSpace(text)
}

// fieldsOf names the fields that a status is about.
func fieldsOf(status metav1.Status) []string {
	if status.Details == nil {
		return nil
	}
	var fields []string
	for _, cause := range status.Details.Causes {
		if cause.Field != "" {
			fields = append(fields, cause.Field)
		}
	}
	return fields
}

// violations is a validation's result: each field and what is wrong with it.
func violations(status metav1.Status) string {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return bare(status)
	}
	var texts []string
	for _, cause := range status.Details.Causes {
		texts = append(texts, cause.Field+": "+withoutValue(cause))
	}
	return fmt.Sprintf("%s %q is invalid: %s", status.Details.Kind, status.Details.Name, strings.Join(texts, ", "))
}

// withoutValue leaves the value out of a cause such as `Invalid value: "x": must be lower case`. An
// object or a list may be repeated in part by what follows it, so that is left out too.
// https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation/field#Error.ErrorBody
func withoutValue(cause metav1.StatusCause) string {
	switch cause.Type {
	case "FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong":
		// These have no value.
		return cause.Message
	}
	what, rest, found := strings.Cut(cause.Message, ": ")
	if !found {
		return what
	}
	if strings.HasSuffix(rest, ": "+immutable) {
		return what + ": " + immutable
	}
	if value, err := strconv.QuotedPrefix(rest); err == nil {
		return what + strings.ReplaceAll(rest[len(value):], value, "the value")
	}
	if _, reason, found := strings.Cut(rest, ": "); found && scalar.MatchString(rest) {
		return what + ": " + reason
	}
	return what
}

// immutable is the reason of a violation that quotes the whole field.
const immutable = "field is immutable"

// scalar begins with a number or a truth value.
var scalar = regexp.MustCompile(`^(?:[-+.0-9e]+|true|false): `)
