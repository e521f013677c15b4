package record_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// events keeps what was sent, and answers as it is told.
type events struct {
	sent []types.PutEventsRequestEntry
	err  error
	// code is that of an entry that failed.
	code string
	log  bytes.Buffer
}

func (e *events) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	if e.err != nil {
		return nil, e.err
	}
	if e.code != "" {
		entry := types.PutEventsResultEntry{ErrorCode: &e.code, ErrorMessage: aws.String("not now")}
		return &eventbridge.PutEventsOutput{FailedEntryCount: 1, Entries: []types.PutEventsResultEntry{entry}}, nil
	}
	e.sent = append(e.sent, in.Entries...)
	return &eventbridge.PutEventsOutput{Entries: []types.PutEventsResultEntry{{EventId: aws.String("1")}}}, nil
}

func (e *events) bus() *record.Bus {
	return record.NewBus(e, "requests", slog.New(slog.NewTextHandler(&e.log, nil)))
}

// detail is that of the one event that was sent.
func (e *events) detail(t *testing.T) map[string]any {
	t.Helper()
	if len(e.sent) != 1 {
		t.Fatalf("%d events were sent, want 1", len(e.sent))
	}
	var detail map[string]any
	if err := json.Unmarshal([]byte(aws.ToString(e.sent[0].Detail)), &detail); err != nil {
		t.Fatal(err)
	}
	return detail
}

// The event's names and its detail are a contract with whoever waits for it.
func TestEventOfASuccess(t *testing.T) {
	told := &events{}
	if _, err := record.NewComplete(record.NewHistory(&table{}, "t"), &locks{}, told.bus()).Run(t.Context(), stage.Input{State: full()}); err != nil {
		t.Fatal(err)
	}
	detail := told.detail(t)
	sent := told.sent[0]
	names := fmt.Sprintf("%s %s %s", aws.ToString(sent.EventBusName), aws.ToString(sent.Source), aws.ToString(sent.DetailType))
	if want := "requests harmonix.environment.provider EKS Environment Ended"; names != want {
		t.Errorf("got %s, want %s", names, want)
	}
	if result, _ := detail["result"].(map[string]any); result["status"] != "SUCCEEDED" || result["changed"] != true {
		t.Errorf("result: %v", result)
	}
	delete(detail, "result")
	want := map[string]any{
		"status": "SUCCEEDED", "operation": "apply", "environment": "opa-dev", "awsAccountID": "222222222222", "awsRegion": "eu-west-1",
		"execution":  execution,
		"consoleUrl": "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/" + execution,
	}
	if diff := cmp.Diff(want, detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
}

func TestEventOfARemoval(t *testing.T) {
	told, s := &events{}, full()
	s.Request.Operation = "delete"
	if _, err := record.NewCompleteDelete(record.NewHistory(&table{}, "t"), &locks{}, told.bus()).Run(t.Context(), stage.Input{State: s}); err != nil {
		t.Fatal(err)
	}
	if detail := told.detail(t); detail["status"] != "SUCCEEDED" || detail["operation"] != "delete" || detail["result"] == nil {
		t.Errorf("got %v", detail)
	}
}

func TestEventOfAPlan(t *testing.T) {
	told, s := &events{}, full()
	s.Request.Operation = "plan"
	s.Egress, s.Capacity, s.AddonRoles = &environment.Egress{}, &environment.Capacity{}, &environment.AddonRoles{}
	s.Logging, s.ClusterDNS, s.LoadBalancer = &environment.Logging{}, &environment.ClusterDNS{}, &environment.LoadBalancer{}
	for _, progress := range s.Stages() {
		progress.Progress.Change = environment.Unchanged
	}
	if _, err := record.NewPlan(told.bus()).Run(t.Context(), stage.Input{State: s}); err != nil {
		t.Fatal(err)
	}
	if detail := told.detail(t); detail["status"] != "SUCCEEDED" || detail["operation"] != "plan" || detail["result"] == nil {
		t.Errorf("got %v", detail)
	}
}

// What time cures is tried again by the state; an environment that is there is not called failed because
// nobody could be told.
func TestEventThatCannotBeSent(t *testing.T) {
	cases := map[string]struct {
		reason string
		bus    events
		want   fault.Code
	}{
		"Throttled":      {"time cures it", events{err: &smithy.GenericAPIError{Code: "ThrottlingException"}}, "Throttled"},
		"NoAnswer":       {"as above", events{err: errors.New("connection reset")}, "Transient"},
		"EntryFailed":    {"the call succeeded, its entry did not", events{code: "InternalFailure"}, "Transient"},
		"EntryThrottled": {"as above", events{code: "ThrottlingException"}, "Throttled"},
		"Denied":         {"nothing but the template cures it", events{err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, ""},
		"NoBus":          {"as above", events{err: &smithy.GenericAPIError{Code: "ResourceNotFoundException"}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := record.NewComplete(record.NewHistory(&table{}, "t"), &locks{}, tc.bus.bus()).Run(t.Context(), stage.Input{State: full()})
			if got := fault.CodeOf(err); got != tc.want {
				t.Errorf("%s: got %q (%v), want %q", tc.reason, got, err, tc.want)
			}
			if logged := strings.Contains(tc.bus.log.String(), "could not be told"); logged != (tc.want == "") {
				t.Errorf("%s: log %q", tc.reason, tc.bus.log.String())
			}
		})
	}
}

// EventBridge takes 256 KB.
func TestEventOfALargeResult(t *testing.T) {
	told, s := &events{}, full()
	for range 5000 {
		s.Verification.Nodes = append(s.Verification.Nodes, environment.NodeResult{Name: "ip-10-0-0-1.eu-west-1.compute.internal", Version: "v1.36.3", Ready: true})
	}
	if _, err := record.NewComplete(record.NewHistory(&table{}, "t"), &locks{}, told.bus()).Run(t.Context(), stage.Input{State: s}); err != nil {
		t.Fatal(err)
	}
	if n := len(aws.ToString(told.sent[0].Detail)); n > 256<<10 {
		t.Errorf("the event has %d bytes", n)
	}
	if detail := told.detail(t); detail["status"] != "SUCCEEDED" || detail["result"] != nil {
		t.Error("want the event without its result")
	}
}
