package customresource

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// CreateFailed is the physical id of a resource whose creation failed: the CDK's provider
	// framework's. CloudFormation rolls such a creation back by a Delete, and that must not touch
	// what the resource may have collided with.
	CreateFailed = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"

	// bodyLimit is CloudFormation's limit on an answer.
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
	bodyLimit = 4096
	// cutMark ends a reason that had to be cut.
	cutMark = " ... (cut)"
)

// Answer is what a request came to.
type Answer struct {
	// PhysicalResourceID is the resource's id. When empty it is the request's id on Create, as the
	// CDK's provider framework has it, and stays what it is on Update.
	PhysicalResourceID string
	// Data are the resource's attributes.
	Data map[string]string
	// NoEcho hides the attributes in what CloudFormation shows.
	NoEcho bool
}

// body is what CloudFormation is sent.
type body struct {
	Status             string
	Reason             string            `json:",omitempty"`
	PhysicalResourceID string            `json:"PhysicalResourceId"`
	StackID            string            `json:"StackId"`
	RequestID          string            `json:"RequestId"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	NoEcho             bool              `json:",omitempty"`
	Data               map[string]string `json:",omitempty"`
}

// encode makes the body of an answer, or of the refusal to send one that CloudFormation would not take.
func (r *Responder) encode(event Event, answer Answer, err error) ([]byte, error) {
	made := body{
		Status:             "SUCCESS",
		PhysicalResourceID: event.PhysicalResourceID,
		StackID:            event.StackID,
		RequestID:          event.RequestID,
		LogicalResourceID:  event.LogicalResourceID,
		NoEcho:             answer.NoEcho,
		Data:               answer.Data,
	}
	if answer.PhysicalResourceID != "" && event.RequestType != Delete {
		made.PhysicalResourceID = answer.PhysicalResourceID
	}
	if made.PhysicalResourceID == "" {
		made.PhysicalResourceID = event.RequestID
	}
	if err == nil {
		text, encodeErr := json.Marshal(made)
		if encodeErr == nil && len(text) <= bodyLimit {
			return text, nil
		}
		err = fault.New(fault.Failed, "the answer has %d bytes, more than the %d that CloudFormation takes", len(text), bodyLimit).
			WithNext("%s", r.options.TooLarge)
	}
	return failed(event, made, err)
}

// failed makes the body of a FAILED answer, whose reason is cut to what there is room for.
func failed(event Event, made body, err error) ([]byte, error) {
	made.Status, made.Data, made.NoEcho = "FAILED", nil, false
	if event.RequestType == Create {
		made.PhysicalResourceID = CreateFailed
	}
	reason := Reason(err)
	if len(reason) > bodyLimit {
		reason = shortened(reason, len(reason)-bodyLimit)
	}
	for made.Reason = reason; ; made.Reason = reason + cutMark {
		text, encodeErr := json.Marshal(made)
		if encodeErr != nil || len(text) <= bodyLimit || reason == "" {
			return text, encodeErr
		}
		// A character may take six bytes in JSON, so a sixth of what is too much is surely not too much.
		reason = shortened(reason, max(1, (len(text)-bodyLimit)/6))
	}
}

// shortened cuts so many bytes off the end of a text, and what is left of a character.
func shortened(text string, by int) string {
	text = text[:max(0, len(text)-by)]
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}

// Reason is an error in the words for the person who reads the stack's events.
func Reason(err error) string {
	f := fault.As(err)
	text := string(f.Code) + ": " + f.Message
	if f.Next != "" {
		text += ". " + f.Next
	}
	return text
}
