package contract_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/record"
)

// SAM adds no log permissions to the machine's role, and the first deployment fails without them
// (aws-traps.md, row 3.8).
func TestMachineMayDeliverLogs(t *testing.T) {
	tmpl := template(t)
	machine := stateMachine(t, tmpl)
	want := []string{
		"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
		"logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
	}
	var got []string
	for _, s := range statements(machine) {
		if s["Resource"] == "*" {
			got = append(got, list(s["Action"])...)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions on * (-want +got):\n%s", diff)
	}
	destinations, _ := at(machine, "Properties", "Logging", "Destinations").([]any)
	if len(destinations) != 1 {
		t.Fatalf("the machine logs to %d destinations, want 1", len(destinations))
	}
	group := tmpl.resources("AWS::Logs::LogGroup")[ref(at(destinations[0], "CloudWatchLogsLogGroup", "LogGroupArn"))]
	// Other names use up the account's log resource policy, which has a size limit.
	if got, want := at(group, "Properties", "LogGroupName", "Fn::Sub"), "/aws/vendedlogs/states/${AWS::StackName}"; got != want {
		t.Errorf("LogGroupName: got %v, want %s", got, want)
	}
}

// Execution data in the log would show role ARNs and inputs to every reader of logs (aws-traps.md,
// row 3.9).
func TestMachineLogging(t *testing.T) {
	machine := stateMachine(t, template(t))
	for _, tc := range []struct {
		keys []string
		want any
	}{
		{[]string{"Logging", "IncludeExecutionData"}, false},
		{[]string{"Logging", "Level"}, "ALL"},
		{[]string{"Tracing", "Enabled"}, true},
		{[]string{"Type"}, "STANDARD"},
	} {
		if got := at(at(machine, "Properties"), tc.keys...); got != tc.want {
			t.Errorf("%v: got %v, want %v", tc.keys, got, tc.want)
		}
	}
}

// The event is a contract with whoever sends it.
func TestRequestEvent(t *testing.T) {
	tmpl := template(t)
	events, _ := at(stateMachine(t, tmpl), "Properties", "Events").(map[string]any)
	if len(events) != 1 {
		t.Fatalf("the machine has %d event sources, want 1", len(events))
	}
	for name, e := range events {
		rule := at(e, "Properties")
		want := map[string]any{"source": []any{"harmonix.environment"}, "detail-type": []any{"EKS Environment Requested"}}
		if diff := cmp.Diff(want, at(rule, "Pattern")); diff != "" {
			t.Errorf("%s: pattern (-want +got):\n%s", name, diff)
		}
		if got := at(rule, "InputPath"); got != "$.detail" {
			t.Errorf("%s: InputPath is %v: the whole envelope is no request (aws-traps.md, row 3.13)", name, got)
		}
		queue := ref(at(rule, "DeadLetterConfig", "Arn"))
		if tmpl.resources("AWS::SQS::Queue")[queue] == nil {
			t.Fatalf("%s: its dead-letter queue %q is not in the template", name, queue)
		}
		mayBeWrittenBy(t, tmpl, queue, "StateMachine"+name)
	}
}

// mayBeWrittenBy looks for the queue policy without which EventBridge drops what it cannot deliver,
// silently. rule is the logical id that SAM gives to the rule of an event: the owner's and the event's.
func mayBeWrittenBy(t *testing.T, tmpl samTemplate, queue, rule string) {
	t.Helper()
	for _, policy := range tmpl.resources("AWS::SQS::QueuePolicy") {
		queues, _ := at(policy, "Properties", "Queues").([]any)
		list, _ := at(policy, "Properties", "PolicyDocument", "Statement").([]any)
		for _, s := range list {
			if slices.ContainsFunc(queues, func(q any) bool { return ref(q) == queue }) && ref(at(s, "Resource")) == queue &&
				at(s, "Effect") == "Allow" && at(s, "Action") == "sqs:SendMessage" && at(s, "Principal", "Service") == "events.amazonaws.com" &&
				at(s, "Condition", "ArnEquals", "aws:SourceArn", "Fn::GetAtt") == rule+".Arn" {
				return
			}
		}
	}
	t.Errorf("no policy lets the rule %s, and nobody else, write to %s", rule, queue)
}

// An execution that is stopped or times out runs no further state, so a rule calls the recorder
// (aws-traps.md, row 3.15). FAILED is in it for what the machine cannot catch; a record that is there stays.
func TestEndedEvent(t *testing.T) {
	tmpl := template(t)
	var found []any
	var rule string
	for id, f := range tmpl.functions() {
		events, _ := at(f, "Properties", "Events").(map[string]any)
		for name, e := range events {
			rule = id + name
			if id != "RecordFailureFunction" {
				t.Errorf("%s: is called by an event of its own", id)
			}
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the recorder has %d event sources, want 1", len(found))
	}
	if got := at(found[0], "Type"); got != "EventBridgeRule" {
		t.Errorf("type: got %v, want EventBridgeRule", got)
	}
	want := map[string]any{
		"source":      []any{"aws.states"},
		"detail-type": []any{"Step Functions Execution Status Change"},
		"detail": map[string]any{
			"status":          []any{"ABORTED", "TIMED_OUT", "FAILED"},
			"stateMachineArn": []any{map[string]any{"Ref": "StateMachine"}},
		},
	}
	if diff := cmp.Diff(want, at(found[0], "Properties", "Pattern")); diff != "" {
		t.Errorf("pattern (-want +got):\n%s", diff)
	}
	if at(found[0], "Properties", "InputPath") != nil {
		t.Error("InputPath: the recorder reads the event's detail itself")
	}
	// What the recorder cannot be told, and what it fails at, waits in a queue that is not the requests'.
	queue := ref(at(found[0], "Properties", "DeadLetterConfig", "Arn"))
	mayBeWrittenBy(t, tmpl, queue, rule)
	failed := tmpl.property(tmpl.functions()["RecordFailureFunction"], "EventInvokeConfig")
	if got := ref(at(failed, "DestinationConfig", "OnFailure", "Destination")); got != queue {
		t.Errorf("failed invocations go to %s, undelivered events to %s: want one queue", got, queue)
	}
	events, _ := at(stateMachine(t, tmpl), "Properties", "Events").(map[string]any)
	for name, e := range events {
		if ref(at(e, "Properties", "DeadLetterConfig", "Arn")) == queue {
			t.Errorf("%s is also where the requests of %s wait", queue, name)
		}
	}
	for _, q := range slices.Sorted(maps.Keys(tmpl.resources("AWS::SQS::Queue"))) {
		if !slices.Contains(watched(tmpl), q) {
			t.Errorf("no alarm watches %s", q)
		}
	}
}

// Each function that tells of an end sends it to the bus that requests come from, and may send to no other.
func TestBusOfEnds(t *testing.T) {
	tmpl := template(t)
	const bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBus}"
	for id, f := range tmpl.functions() {
		variables, _ := tmpl.property(f, "Environment").(map[string]any)
		name := at(variables, "Variables", "EVENT_BUS")
		sends := false
		for _, s := range statements(f) {
			if slices.Contains(list(s["Action"]), "events:PutEvents") {
				sends = true
				if got := at(s["Resource"], "Fn::Sub"); got != bus {
					t.Errorf("%s: may send to %v, want %s", id, got, bus)
				}
			}
		}
		if told := name != nil; told != sends || told && ref(name) != "EventBus" {
			t.Errorf("%s: has the bus %v and may send: %t", id, name, sends)
		}
	}
}

// What is told of an end must not be taken for a request: the machine would start itself.
func TestEndIsNoRequest(t *testing.T) {
	tmpl := template(t)
	events, _ := at(stateMachine(t, tmpl), "Properties", "Events").(map[string]any)
	for name, e := range events {
		pattern := at(e, "Properties", "Pattern")
		if slices.Contains(list(at(pattern, "source")), record.EventSource) || slices.Contains(list(at(pattern, "detail-type")), record.EventType) {
			t.Errorf("%s: starts an execution for the end of one", name)
		}
	}
}

// watched are the queues that have an alarm.
func watched(tmpl samTemplate) []string {
	var queues []string
	for _, alarm := range tmpl.resources("AWS::CloudWatch::Alarm") {
		dimensions, _ := at(alarm, "Properties", "Dimensions").([]any)
		for _, d := range dimensions {
			if at(d, "Name") == "QueueName" {
				queues = append(queues, ref(at(d, "Value")))
			}
		}
	}
	return queues
}

// Every variable that a function reads has to be given to it: without it the function does not start.
func TestVariables(t *testing.T) {
	want := map[string][]string{
		"LockFunction": {"TABLE"}, "CompleteFunction": {"TABLE", "EVENT_BUS"}, "CompleteDeleteFunction": {"TABLE", "EVENT_BUS"},
		"RecordFailureFunction": {"TABLE", "EVENT_BUS"}, "PlanFunction": {"EVENT_BUS"},
		"BootstrapFunction":     {"DELETE_HOOK_FUNCTION", "PLATFORM_ACCOUNT", "SETTLE_SECONDS", "STARTER_ROLE"},
		"RegisterFunction":      {"STARTER_ROLE"},
		"DrainFunction":         {"DRAIN_SECONDS"},
		"SweepDataFunction":     {"RECHECK_SECONDS"},
		"PreflightFunction":     {"KUBECTL_LAYERS", "STARTER_ROLE", "TARGET_ACCOUNTS"},
		"KubectlFunction":       {"ASSUMABLE_ROLES", "KUBECTL_MINOR"},
		"LoadBalancerFunction":  {"CHART_REPOSITORY", "CHART_VERSION"},
		"DeployKubectlFunction": {"KUBECTL_FUNCTION", "KUBECTL_LAYERS"},
	}
	tmpl := template(t)
	for id, f := range tmpl.functions() {
		variables, _ := tmpl.property(f, "Environment").(map[string]any)
		given, _ := at(variables, "Variables").(map[string]any)
		for _, name := range want[id] {
			if given[name] == nil {
				t.Errorf("%s: has no variable %s", id, name)
			}
		}
		if len(given) != len(want[id]) {
			t.Errorf("%s: has %d variables, reads %v", id, len(given), want[id])
		}
	}
}
