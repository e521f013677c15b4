package contract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lambda's own errors are no measure, since InProgress is one: the alarms look at executions, in
// each of the three ways to end badly, and at requests that never became one.
func TestAlarms(t *testing.T) {
	var got []string
	for id, a := range template(t).resources("AWS::CloudWatch::Alarm") {
		p, _ := at(a, "Properties").(map[string]any)
		dimensions, _ := p["Dimensions"].([]any)
		if len(dimensions) != 1 {
			t.Errorf("%s: has %d dimensions, want 1", id, len(dimensions))
			continue
		}
		of := ref(at(dimensions[0], "Value"))
		got = append(got, fmt.Sprintf("%v %v of %s", p["Namespace"], p["MetricName"], of))
		if p["Threshold"] != 1 || p["ComparisonOperator"] != "GreaterThanOrEqualToThreshold" {
			t.Errorf("%s: does not go off at the first one", id)
		}
		// A metric without executions has no points, which is as it should be.
		if p["TreatMissingData"] != "notBreaching" {
			t.Errorf("%s: TreatMissingData is %v", id, p["TreatMissingData"])
		}
		if text, _ := p["AlarmDescription"].(string); text == "" {
			t.Errorf("%s: its mail would say nothing", id)
		}
		actions, _ := at(p["AlarmActions"], "Fn::If").([]any)
		if len(actions) != 3 || actions[0] != "IsNotified" {
			t.Errorf("%s: AlarmActions are %v", id, p["AlarmActions"])
		}
	}
	want := []string{
		"AWS/SQS ApproximateNumberOfMessagesVisible of DeadLetterQueue",
		"AWS/SQS ApproximateNumberOfMessagesVisible of UnrecordedQueue",
		"AWS/States ExecutionsAborted of StateMachine",
		"AWS/States ExecutionsFailed of StateMachine",
		"AWS/States ExecutionsTimedOut of StateMachine",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alarms (-want +got):\n%s", diff)
	}
}

// The dashboard's body is a text to CloudFormation, which is first read when it is deployed.
func TestDashboard(t *testing.T) {
	boards := template(t).resources("AWS::CloudWatch::Dashboard")
	if len(boards) != 1 {
		t.Fatalf("got %d dashboards, want 1", len(boards))
	}
	for id, b := range boards {
		parts, _ := at(b, "Properties", "DashboardBody", "Fn::Sub").([]any)
		if len(parts) != 2 {
			t.Fatalf("%s: DashboardBody is no text with variables", id)
		}
		text, _ := parts[0].(string)
		text = regexp.MustCompile(`\$\{[\w.:]+\}`).ReplaceAllString(text, "x")
		var body struct {
			Widgets []struct {
				Type       string
				Properties struct{ Query string }
			}
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Errorf("%s: DashboardBody is no JSON: %v", id, err)
		}
		if len(body.Widgets) == 0 {
			t.Errorf("%s: shows nothing", id)
		}
		for _, w := range body.Widgets {
			// What went wrong is in the member `fault` of the logs; their `message` is always the same.
			if w.Type == "log" && !strings.Contains(w.Properties.Query, "code, fault") {
				t.Errorf("%s: does not show faults: %s", id, w.Properties.Query)
			}
		}
		var read []string
		for _, group := range at(parts[1], "LogGroups", "Fn::Join").([]any)[1].([]any) {
			read = append(read, ref(group))
		}
		if diff := cmp.Diff(logsOfFunctions(template(t)), slices.Sorted(slices.Values(read))); diff != "" {
			t.Errorf("%s: log groups (-functions +shown):\n%s", id, diff)
		}
	}
}

// logsOfFunctions are the log groups of all functions.
func logsOfFunctions(tmpl samTemplate) []string {
	var groups []string
	for _, f := range tmpl.functions() {
		groups = append(groups, ref(at(f, "Properties", "LoggingConfig", "LogGroup")))
	}
	return slices.Sorted(slices.Values(groups))
}

// An organisation that demands a permissions boundary refuses every role without one.
func TestPermissionsBoundary(t *testing.T) {
	tmpl := template(t)
	bounded := map[string]any{"Fn::If": []any{"IsBounded", map[string]any{"Ref": "PermissionsBoundary"}, map[string]any{"Ref": "AWS::NoValue"}}}
	makers := tmpl.functions()
	maps.Copy(makers, tmpl.resources("AWS::Serverless::StateMachine"))
	for id, maker := range makers {
		if diff := cmp.Diff(bounded, tmpl.boundary(maker)); diff != "" {
			t.Errorf("%s: boundary of its role (-want +got):\n%s", id, diff)
		}
	}
	for id, role := range tmpl.resources("AWS::IAM::Role") {
		if diff := cmp.Diff(bounded, at(role, "Properties", "PermissionsBoundary")); diff != "" {
			t.Errorf("%s: boundary (-want +got):\n%s", id, diff)
		}
	}
}

// boundary is the permissions boundary of the role that SAM makes for a function or state machine.
func (t samTemplate) boundary(maker any) any {
	if at(maker, "Type") == "AWS::Serverless::Function" {
		return t.property(maker, "PermissionsBoundary")
	}
	return at(maker, "Properties", "PermissionsBoundary")
}
