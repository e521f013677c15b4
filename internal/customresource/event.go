package customresource

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// RequestType is what CloudFormation asks of a resource.
type RequestType string

// The request types.
const (
	Create RequestType = "Create"
	Update RequestType = "Update"
	Delete RequestType = "Delete"
)

// Event is a request. It is written as it is read, so that a function can hand it on.
type Event struct {
	RequestType        RequestType `json:"RequestType"`
	ResourceType       string      `json:"ResourceType"`
	ServiceToken       string      `json:"ServiceToken,omitempty"`
	ResponseURL        string      `json:"ResponseURL,omitempty"`
	StackID            string      `json:"StackId,omitempty"`
	RequestID          string      `json:"RequestId,omitempty"`
	LogicalResourceID  string      `json:"LogicalResourceId,omitempty"`
	PhysicalResourceID string      `json:"PhysicalResourceId,omitempty"`
	// Properties and OldProperties are left to whoever knows the resource. CloudFormation sends
	// their scalars as strings, and the old ones on Update alone.
	Properties    json.RawMessage `json:"ResourceProperties,omitempty"`
	OldProperties json.RawMessage `json:"OldResourceProperties,omitempty"`
}

// Parse reads a request, or as much of one as a caller other than CloudFormation sends.
func Parse(payload []byte) (Event, error) {
	var event *Event
	if err := json.Unmarshal(payload, &event); err != nil || event == nil {
		// The error's own text can quote the event.
		return Event{}, fault.New(fault.InvalidRequest, "the event is not a JSON object of a custom resource's form").
			WithNext("Send RequestType, ResourceType and ResourceProperties.")
	}
	if event.ServiceToken == "" {
		var properties struct{ ServiceToken string }
		if json.Unmarshal(event.Properties, &properties) == nil {
			event.ServiceToken = properties.ServiceToken
		}
	}
	return *event, nil
}

// AnsweredBy reports whether the function with that ARN has to answer the request by itself, because
// CloudFormation sent it there directly. The ResponseURL alone does not say so: the CDK's provider
// framework passes it on to the function behind it, and answers itself. Of both ARNs a version or
// alias is left out of account.
func (e Event) AnsweredBy(function string) bool {
	return e.ResponseURL != "" && function != "" && unqualified(e.ServiceToken) == unqualified(function)
}

// timeout is how long CloudFormation waits for the answer when the resource's ServiceTimeout says so, in
// seconds; zero when it does not.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
func (e Event) timeout() time.Duration {
	var properties struct{ ServiceTimeout any }
	if json.Unmarshal(e.Properties, &properties) != nil || properties.ServiceTimeout == nil {
		return 0
	}
	seconds, err := strconv.ParseUint(fmt.Sprint(properties.ServiceTimeout), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// unqualified cuts arn:aws:lambda:region:account:function:name:qualifier down to the name.
func unqualified(arn string) string {
	const parts = 7
	if fields := strings.Split(arn, ":"); len(fields) > parts {
		return strings.Join(fields[:parts], ":")
	}
	return arn
}

// LogValue implements slog.LogValuer: who asked for what, without properties and ResponseURL.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("requestType", string(e.RequestType)),
		slog.String("resourceType", e.ResourceType),
		slog.String("stackId", e.StackID),
		slog.String("logicalResourceId", e.LogicalResourceID),
		slog.String("requestId", e.RequestID),
	)
}

// String implements fmt.Stringer, as LogValue.
func (e Event) String() string {
	return string(e.RequestType) + " of " + e.LogicalResourceID + " (" + e.ResourceType + ")"
}
