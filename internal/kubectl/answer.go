package kubectl

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/lambda/messages"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// answerLimit is Lambda's limit on the answer to a synchronous invocation.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const answerLimit = 6 << 20

// Outcome is what a request came to.
type Outcome struct {
	// Data are the attributes of the answer; nil answers null.
	Data map[string]string
	// NoEcho has CloudFormation hide the attributes.
	NoEcho bool
	// Objects say what was done to each object, also when the request failed.
	Objects []kube.Result
}

// encode makes the answer to a direct invocation: null, or {"Data":{...}}.
func encode(outcome Outcome) (json.RawMessage, error) {
	if outcome.Data == nil {
		return json.RawMessage("null"), nil
	}
	text, err := json.Marshal(struct {
		Data   map[string]string
		NoEcho bool `json:",omitempty"`
	}{outcome.Data, outcome.NoEcho})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode the answer")
	}
	text = ascii(text)
	if len(text) > answerLimit {
		f := fault.New(fault.Failed, "the answer has %d bytes, more than the %d that Lambda returns", len(text), answerLimit).
			WithNext("Ask for less by ObjectName, ObjectLabels, Fields or JsonPath.")
		f.Err = kube.ErrTooLarge
		return nil, f
	}
	return text, nil
}

// ascii escapes what is not ASCII as JSON does. Harmonix' page decodes an answer byte by byte, so
// anything else would reach the reader as mojibake.
func ascii(text []byte) []byte {
	encoded := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < utf8.RuneSelf:
			encoded = append(encoded, byte(r))
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			encoded = fmt.Appendf(encoded, `\u%04x\u%04x`, high, low)
		default:
			encoded = fmt.Appendf(encoded, `\u%04x`, r)
		}
		text = text[size:]
	}
	return encoded
}

// report makes the answer to ReportChanges: a JSON array of what was done to each object.
func report(results []kube.Result) (map[string]string, error) {
	type change struct {
		Object string      `json:"object"`
		Change kube.Change `json:"change"`
	}
	changes := make([]change, 0, len(results))
	for _, result := range results {
		changes = append(changes, change{result.Object, result.Change})
	}
	text, err := json.Marshal(changes)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode the changes")
	}
	return map[string]string{"Value": string(text)}, nil
}

// lambdaError turns an error into the one whose type Lambda reports, so that a caller can branch on
// errorType. For other errors Lambda reports the name of the Go type. Its message is text.
func lambdaError(err error) error {
	f, failure := parts(err)
	text := failure.Message
	if failure.Next != "" {
		text += ". " + failure.Next
	}
	return messages.InvokeResponse_Error{Type: string(f.Code), Message: string(ascii([]byte(plain.Replace(text))))}
}

// plain writes the signs of our messages in ASCII. What else is not ASCII, such as a name, is escaped:
// Lambda's runtime encodes an error by itself and escapes nothing.
var plain = strings.NewReplacer("…", "...", "–", "-", "’", "'", "“", `"`, "”", `"`)

// detailedError is lambdaError with the error's parts as JSON in the place of text.
func detailedError(err error) error {
	f, failure := parts(err)
	text, encodeErr := json.Marshal(failure)
	if encodeErr != nil {
		return lambdaError(err)
	}
	return messages.InvokeResponse_Error{Type: string(f.Code), Message: string(ascii(text))}
}

// parts takes an error apart.
func parts(err error) (*fault.Error, protocol.Failure) {
	f := fault.As(err)
	failure := protocol.Failure{Message: f.Message, Field: f.Field, Next: f.Next, TooLarge: errors.Is(err, kube.ErrTooLarge)}
	var answer apierrors.APIStatus
	if f.Code == fault.AccessDenied && errors.As(f, &answer) {
		failure.Message = protocol.Refused + failure.Message
	}
	return f, failure
}
