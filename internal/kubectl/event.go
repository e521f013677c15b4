package kubectl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// The request types of a CloudFormation custom resource.
const (
	Create = customresource.Create
	Update = customresource.Update
	Delete = customresource.Delete
)

// Event is a request: a CloudFormation custom resource event, or as much of one as a direct caller
// sends.
type Event struct {
	customresource.Event
	Properties    Properties
	OldProperties Properties
}

// ofStack reports whether CloudFormation asks, directly or by way of the CDK's provider framework.
// Nobody waits at a screen then, and nobody repeats the request: what time cures is waited for longer,
// and what a failed creation made is taken back.
func (e Event) ofStack() bool { return e.StackID != "" }

// Properties are a resource's properties. CloudFormation sends every scalar as a string where a
// direct caller may send a boolean or a number, so each is read by what it means. A property that
// is null counts as absent, and one that nobody asks for is ignored.
type Properties map[string]any

// decode reads the properties of a request.
func decode(request customresource.Event) (Event, error) {
	event := Event{Event: request}
	var err error
	if event.Properties, err = properties("ResourceProperties", request.Properties); err != nil {
		return Event{}, err
	}
	event.OldProperties, err = properties("OldResourceProperties", request.OldProperties)
	return event, err
}

// properties reads a member of a request.
func properties(name string, text json.RawMessage) (Properties, error) {
	if len(text) == 0 {
		return Properties{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var made Properties
	if err := decoder.Decode(&made); err != nil {
		return nil, fault.New(fault.InvalidRequest, "%s is not a JSON object", name).WithField("/" + name)
	}
	if made == nil {
		made = Properties{}
	}
	return made, nil
}

// Text returns a property as text. What is no scalar comes back as JSON.
func (p Properties) Text(name string) string {
	switch value := p[name].(type) {
	case nil:
		return ""
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	default:
		text, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		return string(text)
	}
}

// Required returns a property that must not be empty.
func (p Properties) Required(name string) (string, error) {
	if text := p.Text(name); text != "" {
		return text, nil
	}
	return "", invalid(name, "is required")
}

// Flag returns a property that is true or false, false when absent.
func (p Properties) Flag(name string) (bool, error) {
	switch text := strings.ToLower(p.Text(name)); text {
	case "", "false", "0", "no":
		return false, nil
	case "true", "1", "yes":
		return true, nil
	}
	return false, invalid(name, "is neither true nor false")
}

// Seconds returns a property that is a number of seconds, fallback when absent.
func (p Properties) Seconds(name string, fallback float64) (float64, error) {
	text := strings.TrimSpace(p.Text(name))
	if text == "" {
		return fallback, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= 24*60*60) {
		return 0, invalid(name, "is not a number of seconds")
	}
	return seconds, nil
}

// invalid says what is wrong with a property. The value is not repeated: it may be a secret.
func invalid(name, format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidRequest, "property %s %s", name, fmt.Sprintf(format, args...)).
		WithField("/ResourceProperties/" + name)
}
