package record_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const execution = "arn:aws:states:us-east-1:111111111111:execution:m:e"

// table keeps what was written, by its key.
type table struct {
	rows map[string]map[string]string
	err  error
}

func (d *table) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if d.err != nil {
		return nil, d.err
	}
	row := map[string]string{}
	for name, value := range in.Item {
		if text, ok := value.(*types.AttributeValueMemberS); ok {
			row[name] = text.Value
		}
	}
	before, there := d.rows[row["id"]+" "+row["sort"]]
	if there && aws.ToString(in.ConditionExpression) == "attribute_not_exists(id) OR recorder = :rule" && before["recorder"] != "rule" {
		return nil, &types.ConditionalCheckFailedException{}
	}
	if d.rows == nil {
		d.rows = map[string]map[string]string{}
	}
	d.rows[row["id"]+" "+row["sort"]] = row
	return &dynamodb.PutItemOutput{}, nil
}

// locks keeps who gave what back.
type locks struct {
	released []string
	err      error
}

func (l *locks) Release(_ context.Context, r environment.Request, owner string) error {
	l.released = append(l.released, r.Key()+" "+owner)
	return l.err
}

func full() environment.State {
	p := func(change environment.Change) environment.Progress {
		return environment.Progress{Change: change, Seconds: 1.5}
	}
	return environment.State{
		Execution: environment.Execution{ARN: execution, Name: "e", StartTime: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
		Request:   environment.Request{Operation: "apply", Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "eu-west-1"},
		Names:     environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "eu-west-1"}),
		Findings:  []environment.Finding{{Severity: "warning", Code: "OtherVersion", Field: "/kubernetesVersion", Found: "a finding"}},
		Lock:      &environment.Lock{Progress: p("unchanged")},
		Bootstrap: &environment.Bootstrap{Progress: p("unchanged")},
		Network:   &environment.Network{Progress: p("created"), VPCID: "vpc-1"},
		Identity:  &environment.Identity{Progress: p("unchanged"), ClusterAdminRoleARN: "arn:admin"},
		Cluster:   &environment.Cluster{Progress: p("unchanged"), ARN: "arn:cluster", Endpoint: "https://e", Version: "1.36"},
		Kubectl:   &environment.Kubectl{Progress: p("unchanged"), FunctionARN: "arn:function"},
		Access:    &environment.Access{Progress: p("unchanged")},
		Verification: &environment.Verification{
			Progress: p("unchanged"), Nodes: []environment.NodeResult{{Name: "node-1", Version: "v1.36.1", Ready: true}},
			Findings: []environment.Finding{{Severity: "warning", Code: "PodNotReady", Found: "a pod waits", Next: "look at it"}},
		},
		Provider: &environment.Provider{Progress: p("unchanged"), Outputs: map[string]string{"VPC": "/opa/dev/vpc"}},
	}
}

func TestComplete(t *testing.T) {
	db, held, told := &table{}, &locks{}, &events{}
	got, err := record.NewComplete(record.NewHistory(db, "t"), held, told.bus()).Run(t.Context(), stage.Input{State: full()})
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	// The result document is a contract with whoever reads an execution's output.
	const want = `{
		"status": "SUCCEEDED", "operation": "apply", "environment": "opa-dev", "awsAccountID": "222222222222", "awsRegion": "eu-west-1",
		"changed": true,
		"cluster": {"name": "opa-dev-cluster", "arn": "arn:cluster", "endpoint": "https://e", "version": "1.36", "adminRoleArn": "arn:admin"},
		"kubectl": {"functionArn": "arn:function"},
		"network": {"vpcId": "vpc-1"},
		"outputs": {"VPC": "/opa/dev/vpc"},
		"nodes": [{"name": "node-1", "version": "v1.36.1", "ready": true}],
		"findings": [{"severity": "warning", "code": "OtherVersion", "field": "/kubernetesVersion", "found": "a finding"}, {"severity": "warning", "code": "PodNotReady", "found": "a pod waits", "next": "look at it"}],
		"consoleUrl": "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/arn:aws:states:us-east-1:111111111111:execution:m:e"
	}`
	stages := []string{"Lock unchanged", "Bootstrap unchanged", "Network created", "Identity unchanged", "Cluster unchanged", "DeployKubectl unchanged", "Access unchanged", "Verify unchanged", "Register unchanged"}
	var result map[string]any
	if err := json.Unmarshal(document, &result); err != nil {
		t.Fatal(err)
	}
	list, _ := result["stages"].([]any)
	var names []string
	for _, s := range list {
		entry, _ := s.(map[string]any)
		names = append(names, fmt.Sprintf("%s %s", entry["stage"], entry["change"]))
		if entry["seconds"] != 1.5 {
			t.Errorf("%s took %v s, want 1.5", entry["stage"], entry["seconds"])
		}
	}
	if diff := cmp.Diff(stages, names); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	if seconds, _ := result["seconds"].(float64); seconds == 0 {
		t.Error("seconds: the execution took no time")
	}
	if cost, _ := result["cost"].(map[string]any); cost["currency"] != "USD" {
		t.Errorf("cost: got %v", result["cost"])
	}
	delete(result, "cost")
	delete(result, "stages")
	delete(result, "seconds")
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	row := map[string]map[string]string{"222222222222/eu-west-1/opa-dev execution#2026-11-22T10:00:00Z#" + execution: {
		"id": "222222222222/eu-west-1/opa-dev", "sort": "execution#2026-11-22T10:00:00Z#" + execution,
		"status": "SUCCEEDED", "execution": execution, "operation": "apply", "document": string(document),
	}}
	if diff := cmp.Diff(row, db.rows); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"222222222222/eu-west-1/opa-dev " + execution}, held.released); diff != "" {
		t.Errorf("locks given back (-want +got):\n%s", diff)
	}
}

func TestCompleteUnchanged(t *testing.T) {
	s := full()
	s.Network.Change = "unchanged"
	got, err := record.NewComplete(record.NewHistory(&table{}, "t"), &locks{}, (&events{}).bus()).Run(t.Context(), stage.Input{State: s})
	if err != nil || got.Changed {
		t.Errorf("nothing changed, the result says %+v, %v", got, err)
	}
}

func TestCompleteKeepsLockWithoutHistory(t *testing.T) {
	held, told := &locks{}, &events{}
	db := &table{err: &smithy.GenericAPIError{Code: "ThrottlingException"}}
	_, err := record.NewComplete(record.NewHistory(db, "t"), held, told.bus()).Run(t.Context(), stage.Input{State: full()})
	if got := fault.CodeOf(err); got != "Throttled" || len(held.released) != 0 {
		t.Errorf("got %q, released %v; the retry has to write the history first", got, held.released)
	}
}

// target is a target account with CloudFormation stacks of the given statuses; "refused" refuses
// the role.
type target map[string]string

func (a target) Connect(context.Context, account.Target) (aws.Config, error) {
	if _, refused := a["refused"]; refused {
		return aws.Config{}, fault.New(fault.AccessDenied, "cannot assume the role")
	}
	return aws.Config{
		Region: "eu-west-1", HTTPClient: a, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "s", ""),
	}, nil
}

func (a target) Do(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil || form.Get("Action") != "DescribeStacks" {
		return nil, errors.New("unexpected call: " + string(text))
	}
	code, body := 400, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></ErrorResponse>"
	if status, ok := a[form.Get("StackName")]; ok {
		code = 200
		body = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName><StackStatus>" + status +
			"</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// leftovers are the entries of a that are no stacks.
func (a target) leftovers(context.Context, aws.Config, environment.Names) ([]string, error) {
	if text, fails := a["unseen"]; fails {
		return nil, fault.New(fault.Code(text), "cannot list load balancers")
	}
	var list []string
	for name := range a {
		if strings.HasPrefix(name, "log group ") {
			list = append(list, name)
		}
	}
	return list, nil
}

// stageCause is the Cause that Step Functions makes of a stage's error.
func stageCause(t *testing.T, code, message, next string) string {
	t.Helper()
	inner, err := json.Marshal(map[string]string{"stage": "Network", "code": code, "message": message, "next": next})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := json.Marshal(map[string]string{"errorType": code, "errorMessage": string(inner)})
	if err != nil {
		t.Fatal(err)
	}
	return string(outer)
}

const nothingLeft = "nothing is left behind; correct the cause and start the same request again"

const startAgain = "correct the cause and start the same request again: it goes on from where this one stopped"

func TestFailure(t *testing.T) {
	const (
		valid = `{"name": "dev", "prefix": "opa", "awsAccountID": "222222222222", "awsRegion": "eu-west-1", "environmentRole": "arn:aws:iam::222222222222:role/r",` +
			`"vpcConfiguration": "create_new", "apiAccess": "private", "nodeType": "FARGATE"}`
		key = "222222222222/eu-west-1/opa-dev"
		at  = "execution#2026-11-22T10:00:00Z#" + execution
	)
	base := func(sections string) string {
		return `"execution": {"arn": "` + execution + `", "startTime": "2026-11-22T10:00:00Z"}, "request": ` + valid + `,
			"names": {"environment": "opa-dev", "networkStack": "N", "identityStack": "I", "clusterStack": "C", "kubectlStack": "K", "providerStack": "P"}` + sections
	}
	quote := func(text string) string {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	caught := func(name, cause string) string {
		return `{"Error": ` + quote(name) + `, "Cause": ` + quote(cause) + `}`
	}
	ago := func(d time.Duration) string { return quote(time.Now().Add(-d).UTC().Format(time.RFC3339)) }
	event := func(status, input string) string {
		return `{"source": "aws.states", "detail": {"executionArn": "` + execution + `", "status": "` + status + `", "startDate": 1795341600000, "input": ` + quote(input) + `}}`
	}
	cases := map[string]struct {
		reason string
		input  string
		target target
		want   record.Document
		// rows are the keys written; released says whether the lock was given back.
		rows     []string
		released bool
		code     fault.Code
		// status is the event's, if it is not FAILED.
		status string
	}{
		"MainLine": {
			reason:   "a stage's own cause is kept as it is",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "stack N is broken", "repair it")) + `}}`,
			target:   target{"N": "ROLLBACK_COMPLETE", "I": "CREATE_COMPLETE"},
			want:     record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "stack N is broken", Next: "repair it"}, LeftBehind: "something", Exists: []string{"N ROLLBACK_COMPLETE", "I CREATE_COMPLETE"}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"OneBranch": {
			reason: "the branch that succeeded has no failure",
			input: `{"state": {` + base(`, "lock": {}, "bootstrap": {}`) + `, "branches": [{"network": {}}, {"failure": {"stage": "Identity", "Error": "Failed", "Cause": ` +
				quote(`{"errorMessage": "{\"stage\":\"Identity\",\"code\":\"Conflict\",\"message\":\"exists\"}"}`) + `}}]}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Identity", Code: "Conflict", Message: "exists", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"BothBranches": {
			reason: "neither cause is dropped",
			input: `{"state": {` + base(`, "lock": {}, "bootstrap": {}`) + `, "branches": [{"failure": {"stage": "Network", "Error": "Failed", "Cause": ` + quote(stageCause(t, "Failed", "one", "")) +
				`}}, {"failure": {"stage": "Identity", "Error": "States.Timeout", "Cause": ""}}]}}`,
			want: record.Document{
				Cause:  stage.Cause{Stage: "Network", Code: "Failed", Message: "one", Next: nothingLeft},
				Others: []stage.Cause{{Stage: "Identity", Code: "Internal", Message: "States.Timeout:"}}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"Preflight": {
			reason: "without names nothing was made, and nothing locked",
			input:  `{"state": {"execution": {"arn": "` + execution + `"}, "input": [1], "failure": ` + caught("InvalidRequest", stageCause(t, "InvalidRequest", "an array arrived", "send an object")) + `}}`,
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "InvalidRequest", Message: "an array arrived", Next: "send an object"}, LeftBehind: "nothing", Exists: []string{}},
		},
		"PreflightReadable": {
			reason: "a request that was refused and can be read is about an environment, which may be there",
			input:  `{"state": {"execution": {"arn": "` + execution + `", "startTime": "2026-11-22T10:00:00Z"}, "input": ` + valid + `, "failure": ` + caught("PreflightFailed", stageCause(t, "PreflightFailed", "no room", "make room")) + `}}`,
			target: target{"EKS-ENV-opa-dev-Network": "CREATE_COMPLETE"},
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "PreflightFailed", Message: "no room", Next: "make room"}, LeftBehind: "something", Exists: []string{"EKS-ENV-opa-dev-Network CREATE_COMPLETE"}},
			rows:   []string{key + " " + at}, released: true,
		},
		"Beside": {
			reason: "what is left beside the stacks is something, too",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}}`,
			target: target{"log group g": ""},
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m", Next: startAgain}, LeftBehind: "something", Exists: []string{"log group g"}},
			rows:   []string{key + " " + at}, released: true,
		},
		"HalfSeen": {
			reason: "what may not be seen is said, and what was seen is kept",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}}`,
			target: target{"N": "CREATE_COMPLETE", "unseen": "AccessDenied"},
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m", Next: startAgain}, LeftBehind: "something", Exists: []string{"N CREATE_COMPLETE", "unknown: AccessDenied: cannot list load balancers"}},
			rows:   []string{key + " " + at}, released: true,
		},
		"NotSeen": {
			reason: "no stack is not nothing, where the rest may not be seen",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}}`,
			target: target{"unseen": "AccessDenied"},
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m", Next: startAgain}, LeftBehind: "unknown", Exists: []string{"unknown: AccessDenied: cannot list load balancers"}},
			rows:   []string{key + " " + at}, released: true,
		},
		"LookThrottled": {
			reason: "time cures it, so the state calls again",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}}`,
			target: target{"unseen": "Throttled"},
			code:   "Throttled",
		},
		"InProgressExhausted": {
			reason:   "the stage's patience is over, the stack's work is not lost",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("InProgress", stageCause(t, "InProgress", "stack C is CREATE_IN_PROGRESS", "")) + `}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Network", Code: "InProgress", Message: "stack C is CREATE_IN_PROGRESS", Next: "look at what is named here: it takes longer than this stage waits. Start the same request again to go on waiting"}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"LambdaUnknown": {
			reason:   "what Lambda says of a function that it killed names the stage at work",
			input:    `{"state": {` + base(`, "lock": {}, "bootstrap": {}, "network": {}, "identity": {}`) + `, "failure": ` + caught("Lambda.Unknown", `{"errorMessage": "Task timed out after 60.00 seconds"}`) + `}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Cluster", Code: "Internal", Message: "Lambda.Unknown: Task timed out after 60.00 seconds", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"NoJSON": {
			reason:   "a cause of Lambda's that is plain text",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Lambda.Unknown", "The cause could not be determined") + `}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Bootstrap", Code: "Internal", Message: "Lambda.Unknown: The cause could not be determined", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"StatesTimeout": {
			reason:   "Step Functions' own error has no cause",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": {"Error": "States.Timeout"}}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Bootstrap", Code: "Internal", Message: "States.Timeout:", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"Nothing": {
			reason:   "a defect of the definition still ends in a record",
			input:    `{"state": {` + base(`, "lock": {}`) + `}}`,
			want:     record.Document{Cause: stage.Cause{Stage: "Bootstrap", Code: "Internal", Message: "the execution failed without an error", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"Aborted": {
			reason:   "the request is read from the execution's input",
			input:    event("ABORTED", valid),
			status:   "ABORTED",
			target:   target{"EKS-ENV-opa-dev-Network": "UPDATE_COMPLETE"},
			want:     record.Document{Cause: stage.Cause{Code: "Failed", Message: "the execution was stopped by a user", Next: startAgain}, LeftBehind: "something", Exists: []string{"EKS-ENV-opa-dev-Network UPDATE_COMPLETE"}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"TimedOut": {
			reason:   "as above",
			input:    event("TIMED_OUT", valid),
			status:   "TIMED_OUT",
			want:     record.Document{Cause: stage.Cause{Code: "Failed", Message: "the execution ran longer than the state machine allows", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"AbortedWithoutRequest": {
			reason: "an input that is no request has locked nothing",
			input:  event("ABORTED", `{"name": 1}`),
			status: "ABORTED",
			want:   record.Document{Cause: stage.Cause{Code: "Failed", Message: "the execution was stopped by a user", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
		},
		"Moving": {
			reason: "a lock released over a moving stack lets the next execution run into it",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}}`,
			target: target{"N": "CREATE_COMPLETE", "C": "UPDATE_ROLLBACK_IN_PROGRESS"},
			code:   "InProgress",
		},
		"MovingSince": {
			reason: "stacks are waited for while the state is young",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "")) + `}, "entered": ` + ago(49*time.Minute) + `}`,
			target: target{"C": "UPDATE_IN_PROGRESS"},
			code:   "InProgress",
		},
		"MovingForLong": {
			reason: "a failure that is recorded late is better than one that is not recorded, and whoever comes next waits for the stack",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("InProgress", stageCause(t, "InProgress", "stack C is UPDATE_IN_PROGRESS", "")) + `}, "entered": ` + ago(51*time.Minute) + `}`,
			target: target{"N": "CREATE_COMPLETE", "C": "UPDATE_IN_PROGRESS"},
			want: record.Document{
				Cause: stage.Cause{Stage: "Network", Code: "InProgress", Message: "stack C is UPDATE_IN_PROGRESS",
					Next: "wait until CloudFormation has ended its work on stack C, then start the same request again; started earlier, it waits for that in its turn"},
				LeftBehind: "something", Exists: []string{"N CREATE_COMPLETE", "C UPDATE_IN_PROGRESS, still moving"},
			},
			rows:     []string{key + " " + at},
			released: true,
		},
		"MovingBesideAFailure": {
			reason: "what the failed stage says to do comes after the wait",
			input:  `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "repair it")) + `}, "entered": ` + ago(51*time.Minute) + `}`,
			target: target{"C": "UPDATE_ROLLBACK_IN_PROGRESS", "I": "DELETE_IN_PROGRESS"},
			want: record.Document{
				Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m",
					Next: "wait until CloudFormation has ended its work on stack I, stack C; then: repair it"},
				LeftBehind: "something", Exists: []string{"I DELETE_IN_PROGRESS, still moving", "C UPDATE_ROLLBACK_IN_PROGRESS, still moving"},
			},
			rows:     []string{key + " " + at},
			released: true,
		},
		"ProviderDeleting": {
			reason:   "who deletes the provider stack may be waiting for this execution",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("Failed", stageCause(t, "Failed", "m", "n")) + `}}`,
			target:   target{"N": "DELETE_FAILED", "P": "DELETE_IN_PROGRESS"},
			want:     record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m", Next: "n"}, LeftBehind: "something", Exists: []string{"N DELETE_FAILED", "P DELETE_IN_PROGRESS, still moving"}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"MovingUnderAnother": {
			reason:   "the holder's stacks are not waited for by the one that it keeps out",
			input:    `{"state": {` + base(``) + `, "failure": ` + caught("Conflict", stageCause(t, "Conflict", "held", "wait")) + `}}`,
			target:   target{"C": "CREATE_IN_PROGRESS"},
			want:     record.Document{Cause: stage.Cause{Stage: "Network", Code: "Conflict", Message: "held", Next: "wait"}, LeftBehind: "something", Exists: []string{"C CREATE_IN_PROGRESS, still moving"}},
			rows:     []string{key + " " + at},
			released: true, // tried; the table releases for the holder only
		},
		"Plan": {
			reason: "a plan changed nothing and is no part of the history; what moves is another's",
			input:  strings.Replace(`{"state": {`+base(`, "lock": {}`)+`, "failure": `+caught("Failed", stageCause(t, "Failed", "m", ""))+`}}`, `"name": "dev"`, `"operation": "plan", "name": "dev"`, 1),
			target: target{"C": "UPDATE_IN_PROGRESS"},
			want:   record.Document{Cause: stage.Cause{Stage: "Network", Code: "Failed", Message: "m", Next: "nothing was changed; correct the cause and start the same request again"}, LeftBehind: "something", Exists: []string{"C UPDATE_IN_PROGRESS, still moving"}},
		},
		"AbortedMoving": {
			reason:   "nobody could wait for an execution that is over; the next one joins what moves",
			input:    event("ABORTED", valid),
			status:   "ABORTED",
			target:   target{"EKS-ENV-opa-dev-Cluster": "CREATE_IN_PROGRESS"},
			want:     record.Document{Cause: stage.Cause{Code: "Failed", Message: "the execution was stopped by a user", Next: startAgain}, LeftBehind: "something", Exists: []string{"EKS-ENV-opa-dev-Cluster CREATE_IN_PROGRESS, still moving"}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"FailedOnTheWay": {
			reason:   "Step Functions could not even run RecordFailure",
			input:    `{"detail": {"executionArn": "` + execution + `", "status": "FAILED", "startDate": 1795341600000, "error": "States.Runtime", "cause": "no such path", "input": ` + quote(valid) + `}}`,
			want:     record.Document{Cause: stage.Cause{Code: "Internal", Message: "States.Runtime: no such path", Next: nothingLeft}, LeftBehind: "nothing", Exists: []string{}},
			rows:     []string{key + " " + at},
			released: true,
		},
		"Unreachable": {
			reason:   "an account that cannot be reached any more must not hold the lock for ever",
			input:    `{"state": {` + base(`, "lock": {}`) + `, "failure": ` + caught("AccessDenied", stageCause(t, "AccessDenied", "m", "n")) + `}}`,
			target:   target{"refused": ""},
			want:     record.Document{Cause: stage.Cause{Stage: "Network", Code: "AccessDenied", Message: "m", Next: "n"}, LeftBehind: "unknown", Exists: []string{"unknown: AccessDenied: cannot assume the role"}},
			rows:     []string{key + " " + at},
			released: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var in record.FailureInput
			if err := json.Unmarshal([]byte(tc.input), &in); err != nil {
				t.Fatal(err)
			}
			db, held, told := &table{}, &locks{}, &events{}
			got, err := record.NewFailure(tc.target, tc.target.leftovers, record.NewHistory(db, "t"), held, told.bus()).Run(t.Context(), in)
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			var rows []string
			for row, values := range db.rows {
				rows = append(rows, row)
				if values["status"] != "FAILED" {
					t.Errorf("%s: recorded as %s", tc.reason, values["status"])
				}
			}
			if diff := cmp.Diff(tc.rows, rows, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: history (-want +got):\n%s", tc.reason, diff)
			}
			if released := len(held.released) > 0; released != tc.released {
				t.Errorf("%s: released %v", tc.reason, held.released)
			}
			if err != nil {
				return
			}
			var document record.Document
			if err := json.Unmarshal([]byte(got.Cause), &document); err != nil {
				t.Fatalf("%s: the cause is no JSON: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, document); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			detail := told.detail(t)
			if want := either(tc.status, "FAILED"); detail["status"] != want {
				t.Errorf("%s: the event has the status %v, want %s", tc.reason, detail["status"], want)
			}
			if failure, _ := detail["failure"].(map[string]any); failure["leftBehind"] != tc.want.LeftBehind {
				t.Errorf("%s: the event tells of %v", tc.reason, failure)
			}
			if got.Error != string(tc.want.Code) {
				t.Errorf("%s: error %q, want %q", tc.reason, got.Error, tc.want.Code)
			}
		})
	}
}

func either(one, other string) string {
	if one != "" {
		return one
	}
	return other
}

// A rule's call comes after the execution's own record, and knows less.
func TestFailureRecordedBefore(t *testing.T) {
	const input = `{"name": "dev", "prefix": "opa", "awsAccountID": "222222222222", "awsRegion": "eu-west-1", "environmentRole": "arn:aws:iam::222222222222:role/r",` +
		`"vpcConfiguration": "create_new", "apiAccess": "private", "nodeType": "FARGATE"}`
	text, err := json.Marshal(map[string]any{"detail": map[string]any{"executionArn": execution, "status": "FAILED", "startDate": 1795341600000, "error": "Failed", "input": input}})
	if err != nil {
		t.Fatal(err)
	}
	var in record.FailureInput
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	const at = "222222222222/eu-west-1/opa-dev execution#2026-11-22T10:00:00Z#" + execution
	db, held, told := &table{rows: map[string]map[string]string{at: {"document": "the whole story"}}}, &locks{}, &events{}
	if _, err := record.NewFailure(target{}, target{}.leftovers, record.NewHistory(db, "t"), held, told.bus()).Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if db.rows[at]["document"] != "the whole story" || len(db.rows) != 1 {
		t.Errorf("the first record was lost: %v", db.rows)
	}
	if len(held.released) != 1 {
		t.Errorf("a lock that was left behind stays: %v", held.released)
	}
	if len(told.sent) != 0 {
		t.Errorf("the execution told of its end, and now it is told again: %v", told.sent)
	}
}

// Lambda calls the recorder again after an error. What it told of and what it wrote before is the same.
func TestFailureRecordedByRuleTwice(t *testing.T) {
	const input = `{"detail": {"executionArn": "` + execution + `", "status": "FAILED", "startDate": 1795341600000, "error": "States.Runtime", "input": "{\"name\": \"dev\", \"prefix\": \"opa\", \"awsAccountID\": \"222222222222\", \"awsRegion\": \"eu-west-1\", \"environmentRole\": \"arn:aws:iam::222222222222:role/r\", \"vpcConfiguration\": \"create_new\", \"apiAccess\": \"private\", \"nodeType\": \"FARGATE\"}"}}`
	var in record.FailureInput
	if err := json.Unmarshal([]byte(input), &in); err != nil {
		t.Fatal(err)
	}
	db, told := &table{}, &events{code: "ThrottlingException"}
	stage := record.NewFailure(target{}, target{}.leftovers, record.NewHistory(db, "t"), &locks{}, told.bus())
	if _, err := stage.Run(t.Context(), in); fault.CodeOf(err) != "Throttled" {
		t.Fatalf("got %v, want the throttled event", err)
	}
	told.code = ""
	if _, err := stage.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if len(db.rows) != 1 || len(told.sent) != 1 {
		t.Errorf("%d rows and %d events, want one of each", len(db.rows), len(told.sent))
	}
}

// The Fail state reads these names, and Step Functions takes 32,768 characters (aws-traps.md, row 3.5).
func TestOutcome(t *testing.T) {
	branch := func(name string) string {
		return `{"failure": {"stage": "` + name + `", "Error": "Lambda.Unknown", "Cause": "` + strings.Repeat("x", 32_000) + `"}}`
	}
	var in record.FailureInput
	if err := json.Unmarshal([]byte(`{"state": {"branches": [`+branch("Network")+`,`+branch("Identity")+`]}}`), &in); err != nil {
		t.Fatal(err)
	}
	got, err := record.NewFailure(target{}, target{}.leftovers, record.NewHistory(&table{}, "t"), &locks{}, (&events{}).bus()).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	// A Choice on what is not there would end the execution, so undo is always there.
	var sent struct {
		Error, Cause string
		Undo         *bool `json:"undo"`
	}
	if err := json.Unmarshal(text, &sent); err != nil || sent.Error != "Internal" || sent.Cause == "" || sent.Undo == nil {
		t.Errorf("Error %q and %d bytes of Cause (%v)", sent.Error, len(sent.Cause), err)
	}
	if len(sent.Cause) > 32_768 {
		t.Errorf("the cause has %d characters", len(sent.Cause))
	}
}

// A cause with more than there is room for names a part; the history and the event have all of it.
func TestOutcomeOfALongList(t *testing.T) {
	a := target{}
	for i := range 1000 {
		a[fmt.Sprintf("log group /aws/apps/opa-dev/namespace-%04d-%s", i, strings.Repeat("x", 80))] = ""
	}
	var in record.FailureInput
	state := `{"state": {"execution": {"arn": "` + execution + `"}, "names": {"environment": "opa-dev"}, "failure": {"Error": "Failed", "Cause": ""}}}`
	if err := json.Unmarshal([]byte(state), &in); err != nil {
		t.Fatal(err)
	}
	db := &table{}
	got, err := record.NewFailure(a, a.leftovers, record.NewHistory(db, "t"), &locks{}, (&events{}).bus()).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Cause) > 32_768 {
		t.Errorf("the cause has %d characters", len(got.Cause))
	}
	var shown, kept record.Document
	if err := json.Unmarshal([]byte(got.Cause), &shown); err != nil {
		t.Fatal(err)
	}
	last := shown.Exists[len(shown.Exists)-1]
	if want := fmt.Sprintf("and %d more", 1000-len(shown.Exists)+1); last != want {
		t.Errorf("the list ends in %q, want %q", last, want)
	}
	for _, row := range db.rows {
		if err := json.Unmarshal([]byte(row["document"]), &kept); err != nil || len(kept.Exists) != 1000 {
			t.Errorf("the history has %d of 1000 (%v)", len(kept.Exists), err)
		}
	}
}
