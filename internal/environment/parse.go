package environment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// maxRequest bounds a request's size. Step Functions stops at 262,144 characters for the whole
// state document (aws-traps.md, row 3.5).
const maxRequest = 200 << 10

// Parse reads a request and checks it by itself, without a look at AWS. The error is an
// [*fault.Error] with code [fault.InvalidRequest] that lists everything wrong at once. The
// request comes back as it was sent: [Request.WithDefaults] fills it.
func Parse(raw []byte) (Request, error) {
	doc, err := decode(raw)
	if err != nil {
		return Request{}, err
	}
	violations, err := check(doc)
	if err != nil {
		return Request{}, err
	}
	if err := Invalid(violations); err != nil {
		return Request{}, err
	}
	// The document, not raw, is decoded: its numbers are normalized and its empty fields gone.
	canonical, err := json.Marshal(doc)
	if err != nil {
		return Request{}, fault.Wrap(fault.Internal, err, "cannot write the checked request")
	}
	var r Request
	if err := json.Unmarshal(canonical, &r); err != nil {
		return Request{}, fault.Wrap(fault.Internal, err, "cannot read the checked request")
	}
	return r, nil
}

// document is a request as decoded JSON. Its values are strings, bools, int64s, float64s, nil,
// []any and map[string]any.
type document map[string]any

// text returns the field's value if it is a string that is not empty.
func (d document) text(field string) (string, bool) {
	s, ok := d[field].(string)
	return s, ok && s != ""
}

// number returns the field's value, or 0 if it is absent or no integer.
func (d document) number(field string) int {
	n, _ := d[field].(int64)
	return int(n)
}

// decode reads raw as one JSON object, without the fields that are empty.
func decode(raw []byte) (document, error) {
	if len(raw) > maxRequest {
		return nil, unreadable("the request has %d bytes, allowed are %d", len(raw), maxRequest)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, unreadable("nothing arrived as request, allowed: one JSON object")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, unreadable("the request is no JSON: it ends after %d bytes in the middle of a value", len(raw))
		}
		return nil, unreadable("the request is no JSON, near byte %d: %v", decoder.InputOffset(), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, unreadable("the request goes on after its JSON value ended at byte %d, allowed: one JSON object", decoder.InputOffset())
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, notAnObject(value)
	}
	if _, ok := object["detail-type"]; ok {
		return nil, unreadable("a whole EventBridge event arrived, allowed: the request, which is the event's detail").
			WithNext(`give the EventBridge target the InputPath "$.detail"`)
	}
	for field, value := range object {
		if absent(field, value) {
			delete(object, field)
			continue
		}
		object[field] = normalize(value)
	}
	return object, nil
}

// absent reports whether the field counts as left out: the Harmonix form sends "" for what the user
// did not see. An unknown field has no such excuse for being there.
func absent(field string, value any) bool { return value == "" && known(field) }

// normalize turns numbers into int64 where they are integers, such as 2.0, and float64 otherwise.
// A number beyond both becomes the largest float64, so that nothing later computes with a million
// digits.
func normalize(value any) any {
	switch value := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
			return n
		}
		f, err := value.Float64()
		if err != nil {
			return math.Copysign(math.MaxFloat64, f)
		}
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f)
		}
		return f
	case []any:
		for i := range value {
			value[i] = normalize(value[i])
		}
	case map[string]any:
		for k := range value {
			value[k] = normalize(value[k])
		}
	}
	return value
}

// notAnObject says what arrived instead of an object.
func notAnObject(value any) error {
	err := unreadable("%s arrived as request, allowed: one JSON object", typeOf(value))
	if text, ok := value.(string); ok && json.Valid([]byte(text)) {
		err = err.WithNext("the string holds JSON: send that JSON itself, not a string of it")
	}
	return err
}

// unreadable is the error for input that has no fields to speak of.
func unreadable(format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidRequest, "%s; nothing was created", fmt.Sprintf(format, args...)).
		WithNext("send one JSON object as the execution's input; docs/examples has some")
}
