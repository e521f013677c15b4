package deletehook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/deletehook"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

const (
	machine = "arn:aws:states:us-east-1:111111111111:stateMachine:provider"
	prefix  = "arn:aws:states:us-east-1:111111111111:execution:provider:"
	holder  = prefix + "0b0c"
	stackID = "arn:aws:cloudformation:us-east-1:222222222222:stack/EKS-ENV-opa-dev-Stack/1"
	// first is the name of that stack's first deletion: the digest is that of its id.
	first  = prefix + "delete-opa-dev-66ce7160-1"
	second = prefix + "delete-opa-dev-66ce7160-2"
	secret = "X-Amz-Signature=0123456789abcdef"
)

var (
	_ deletehook.Executions = (*sfn.Client)(nil)
	_                       = deletehook.Options{Stacks: stack.New((*cloudformation.Client)(nil), stack.Options{}), Lambda: (*lambda.Client)(nil)}
)

// execution is one of the orchestrator's: until it is over it runs.
type execution struct {
	input, cause string
	end          types.ExecutionStatus
	over         time.Time
}

// world is what the hook sees: CloudFormation, the orchestrator and itself. Its functions are called in
// the order of a request and its hand-overs.
type world struct {
	t *testing.T
	// by is who deletes the stack, there the names of the environment's stacks.
	by    stack.Deletion
	there []string
	// broken is how long an invocation took that broke before there was any other.
	broken time.Duration
	// refuses is the starter role's or the machine's answer.
	refuses error
	// handsOver is Lambda's answer to a hand-over.
	handsOver error
	// delay is how late it delivers one.
	delay      time.Duration
	executions map[string]*execution
	// starts makes an execution that is started.
	starts func(n int) execution

	begun    time.Time
	started  []string
	inputs   []string
	payloads [][]byte
	answers  []map[string]string
	log      strings.Builder
}

func (w *world) DeletedBy(context.Context, string) (stack.Deletion, time.Time, error) {
	if w.begun.IsZero() {
		w.begun = time.Now().Add(-w.broken)
	}
	return w.by, w.begun, nil
}

func (w *world) Describe(_ context.Context, name string) (stack.Description, bool, error) {
	for _, there := range w.there {
		if name == "EKS-ENV-opa-dev-"+there {
			return stack.Description{}, true, nil
		}
	}
	return stack.Description{}, false, nil
}

func (w *world) connect(_ context.Context, role, stateMachine string) (deletehook.Executions, error) {
	if role != "arn:starter" || stateMachine != machine {
		w.t.Errorf("asks %s as %s", stateMachine, role)
	}
	return w, w.refuses
}

func (w *world) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	arn := prefix + aws.ToString(in.Name)
	if e, ok := w.executions[arn]; ok && (e.input != aws.ToString(in.Input) || !time.Now().Before(e.over)) {
		return nil, &types.ExecutionAlreadyExists{}
	} else if !ok {
		w.started, w.inputs = append(w.started, arn), append(w.inputs, aws.ToString(in.Input))
		e := w.starts(len(w.started))
		e.input = aws.ToString(in.Input)
		w.executions[arn] = &e
	}
	return &sfn.StartExecutionOutput{ExecutionArn: &arn}, nil
}

func (w *world) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	e, ok := w.executions[aws.ToString(in.ExecutionArn)]
	if !ok {
		return nil, &types.ExecutionDoesNotExist{}
	}
	out := &sfn.DescribeExecutionOutput{ExecutionArn: in.ExecutionArn, Input: &e.input, Status: types.ExecutionStatusRunning}
	if !time.Now().Before(e.over) {
		out.Status, out.Cause = e.end, &e.cause
	}
	return out, nil
}

func (w *world) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if aws.ToString(in.FunctionName) != "EKS-ENV-DeleteHook" || in.InvocationType != "Event" {
		w.t.Errorf("hands over to %s by %s", aws.ToString(in.FunctionName), in.InvocationType)
	}
	if w.handsOver == nil {
		w.payloads = append(w.payloads, in.Payload)
	}
	return &lambda.InvokeOutput{}, w.handsOver
}

// RoundTrip is where answers are put.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	text, _ := io.ReadAll(r.Body)
	var answer map[string]string
	if err := json.Unmarshal(text, &answer); err != nil || len(text) > 4096 || r.URL.RawQuery != secret {
		w.t.Errorf("answers %s with %s (%v)", r.URL, text, err)
	}
	w.answers = append(w.answers, answer)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// run has the request answered, however many invocations that takes, and returns how long it took.
func (w *world) run(event map[string]any) time.Duration {
	w.t.Helper()
	hook := deletehook.New(deletehook.Options{
		Orchestrator: w.connect, Stacks: w, Lambda: w, Function: "EKS-ENV-DeleteHook",
		HTTP: &http.Client{Transport: w}, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
	})
	begun := time.Now()
	payload, err := json.Marshal(event)
	for invocation := 0; err == nil && payload != nil; invocation++ {
		ctx, cancel := context.WithTimeout(w.t.Context(), 11*time.Minute)
		err = hook.Invoke(ctx, payload)
		cancel()
		payload = nil
		if len(w.payloads) > invocation {
			payload = w.payloads[invocation]
			time.Sleep(w.delay)
		}
	}
	if err != nil {
		w.t.Errorf("the invocation failed: %v", err)
	}
	return time.Since(begun)
}

func event(requestType string) map[string]any {
	return map[string]any{
		"RequestType": requestType, "ResourceType": "Custom::EKSEnvironment", "LogicalResourceId": "Environment", "RequestId": "r-1",
		"PhysicalResourceId": "222222222222/us-east-1/opa-dev", "StackId": stackID, "ResponseURL": "https://cloudformation.test/answer?" + secret,
		"ResourceProperties": map[string]string{
			"ServiceToken": "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-DeleteHook", "StarterRoleArn": "arn:starter", "StateMachineArn": machine,
			"Request":    `{"prefix": "opa", "name": "dev", "awsAccountID": "222222222222", "awsRegion": "us-east-1", "environmentRole": "arn:role"}`,
			"ExternalId": "unguessable", "Revision": "1",
		},
	}
}

// ends is an execution that ends after a while.
func ends(after time.Duration, status types.ExecutionStatus, cause string) func(int) execution {
	return func(int) execution { return execution{end: status, over: time.Now().Add(after), cause: cause} }
}

func TestDelete(t *testing.T) {
	other := `{"operation": "delete", "prefix": "opa", "name": "dev", "awsAccountID": "222222222222", "awsRegion": "us-east-1"}`
	cases := map[string]struct {
		reason string
		world  world
		// running is how long the holder still runs, with which input and end.
		running time.Duration
		input   string
		end     types.ExecutionStatus

		started     []string
		invocations int
		status      string
		says        []string
		within      time.Duration
	}{
		"Short": {
			reason: "answered when the deletion has ended", world: world{by: stack.ForeignDeletion, starts: ends(5*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 1, status: "SUCCESS", within: 6 * time.Minute,
		},
		"Long": {
			reason: "longer than Lambda waits", world: world{by: stack.ForeignDeletion, starts: ends(35*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 4, status: "SUCCESS", within: 36 * time.Minute,
		},
		"TooLong": {
			reason: "longer than CloudFormation waits: answered in time", world: world{by: stack.ForeignDeletion, starts: ends(90*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 5, status: "FAILED", within: 51 * time.Minute, says: []string{"still being deleted by execution " + first, "Delete the stack again", "console.aws.amazon.com"},
		},
		"Delayed": {
			reason: "Lambda delivers late, and CloudFormation waits no longer for that", world: world{by: stack.ForeignDeletion, delay: 4 * time.Minute, starts: ends(90*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 4, status: "FAILED", within: 50 * time.Minute, says: []string{"still being deleted by execution " + first},
		},
		"Repeated": {
			reason: "the first invocation broke, and Lambda repeats it: CloudFormation's hour began before", world: world{by: stack.ForeignDeletion, broken: 16 * time.Minute, starts: ends(90*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 4, status: "FAILED", within: 35 * time.Minute, says: []string{"still being deleted by execution " + first},
		},
		"Stale": {
			reason: "the event of a deletion that has failed long ago is not this one's", world: world{by: stack.ForeignDeletion, broken: 61 * time.Minute, starts: ends(35*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 4, status: "SUCCESS", within: 36 * time.Minute,
		},
		"TooLate": {
			reason: "the end came before the next look", world: world{by: stack.ForeignDeletion, delay: 45 * time.Minute, starts: ends(50*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 2, status: "SUCCESS", within: 56 * time.Minute,
		},
		"Failed": {
			reason: "stage, code and what to do", world: world{by: stack.ForeignDeletion, there: []string{"Cluster"}, starts: ends(time.Minute, "FAILED", `{"stage":"SweepNetwork","code":"Conflict","message":"the VPC holds a load balancer","next":"remove it"}`)},
			started: []string{first}, invocations: 1, status: "FAILED", within: 2 * time.Minute, says: []string{"Conflict: ", "SweepNetwork: the VPC holds a load balancer", "remove it", first},
		},
		"Large": {
			reason: "CloudFormation takes 4,096 bytes", world: world{by: stack.ForeignDeletion, starts: ends(0, "FAILED", `{"stage":"Drain","code":"Failed","message":"`+strings.Repeat("ü", 9000)+`","next":"`+strings.Repeat("ü", 9000)+`"}`)},
			started: []string{first}, invocations: 1, status: "FAILED", within: time.Minute, says: []string{"Failed: ", "Drain: üü", first},
		},
		"Stopped": {
			reason: "an execution that was stopped has no cause", world: world{by: stack.ForeignDeletion, starts: ends(time.Minute, "ABORTED", "")},
			started: []string{first}, invocations: 1, status: "FAILED", within: 2 * time.Minute, says: []string{"somebody stopped it", "delete the stack again"},
		},
		"BehindDeletion": {
			reason: "a deletion that a person started is joined", world: world{by: stack.ForeignDeletion, starts: ends(5*time.Second, "FAILED", held(t))},
			running: 15 * time.Minute, input: other, end: "SUCCEEDED", started: []string{first}, invocations: 2, status: "SUCCESS", within: 16 * time.Minute,
		},
		"BehindApply": {
			reason: "an apply is in the way", world: world{by: stack.ForeignDeletion, there: []string{"Cluster"}, starts: ends(5*time.Second, "FAILED", held(t))},
			running: 15 * time.Minute, input: strings.Replace(other, "delete", "apply", 1), end: "SUCCEEDED",
			started: []string{first}, invocations: 1, status: "FAILED", within: time.Minute, says: []string{"Conflict: ", holder, "deleting the stack again"},
		},
		"BehindEnded": {
			reason: "what was in the way has ended meanwhile", world: world{by: stack.ForeignDeletion, starts: func(n int) execution {
				if n == 1 {
					return ends(5*time.Second, "FAILED", held(t))(n)
				}
				return ends(time.Minute, "SUCCEEDED", "")(n)
			}},
			running: time.Second, input: other, end: "FAILED", started: []string{first, second}, invocations: 1, status: "SUCCESS", within: 2 * time.Minute,
		},
		"OwnDeletion": {
			reason: "the orchestrator takes the stack away as its last act", world: world{by: stack.OwnDeletion}, invocations: 1, status: "SUCCESS", within: time.Second,
		},
		"NoDeletion": {
			reason: "a rollback or an update deletes the resource, and nobody wants the environment gone", world: world{by: stack.NoDeletion}, invocations: 1, status: "SUCCESS", within: time.Second,
		},
		"Untrusted": {
			reason: "the starter role does not trust this account", world: world{by: stack.ForeignDeletion, there: []string{"Network"}, refuses: fault.New(fault.AccessDenied, "cannot assume arn:starter")},
			invocations: 1, status: "FAILED", within: time.Second, says: []string{"AccessDenied: ", "TargetAccounts", "222222222222", "operation delete"},
		},
		"NothingLeft": {
			reason: "neither orchestrator nor environment", world: world{by: stack.ForeignDeletion, refuses: fault.New(fault.AccessDenied, "cannot assume arn:starter")},
			invocations: 1, status: "SUCCESS", within: time.Second,
		},
		"RoleGone": {
			reason: "the environment went with its account's role", world: world{by: stack.ForeignDeletion, starts: ends(time.Second, "FAILED", `{"stage":"Preflight","code":"AccessDenied","message":"cannot assume"}`)},
			started: []string{first}, invocations: 1, status: "SUCCESS", within: time.Minute,
		},
		"NoHandover": {
			reason: "Lambda does not take the hand-over: answered at once", world: world{by: stack.ForeignDeletion, handsOver: errors.New("throttled"), starts: ends(35*time.Minute, "SUCCEEDED", "")},
			started: []string{first}, invocations: 1, status: "FAILED", within: 11 * time.Minute, says: []string{"still being deleted"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := tc.world
				w.t = t
				w.executions = map[string]*execution{holder: {input: tc.input, end: tc.end, over: time.Now().Add(tc.running)}}
				took := w.run(event("Delete"))
				if diff := cmp.Diff(tc.started, w.started); diff != "" {
					t.Errorf("%s: started (-want +got):\n%s", tc.reason, diff)
				}
				if len(w.answers) != 1 || len(w.payloads) != tc.invocations-1 || took > tc.within {
					t.Fatalf("%s: %d answers, %d hand-overs after %s", tc.reason, len(w.answers), len(w.payloads), took)
				}
				answer := w.answers[0]
				if answer["Status"] != tc.status || answer["PhysicalResourceId"] != "222222222222/us-east-1/opa-dev" {
					t.Errorf("%s: answers %v", tc.reason, answer)
				}
				for _, words := range tc.says {
					if !strings.Contains(answer["Reason"], words) {
						t.Errorf("%s: says %q, and not %q", tc.reason, answer["Reason"], words)
					}
				}
				checkSecrets(t, &w)
			})
		})
	}
}

// checkSecrets looks that who reads the log or an execution can neither answer CloudFormation nor assume
// the environment role.
func checkSecrets(t *testing.T, w *world) {
	t.Helper()
	if strings.Contains(w.log.String(), secret) || strings.Contains(w.log.String(), "unguessable") {
		t.Errorf("the log has a secret: %s", w.log.String())
	}
	for _, input := range w.inputs {
		if strings.Contains(input, secret) {
			t.Errorf("the execution's input has the ResponseURL: %s", input)
		}
		var r environment.Request
		if err := json.Unmarshal([]byte(input), &r); err != nil || r.Operation != "delete" || r.ExternalID != "unguessable" || r.Name != "dev" {
			t.Errorf("starts %s (%v)", input, err)
		}
	}
}

// A second DeleteStack brings a new request, which joins the deletion that runs (aws-traps.md, row 2.3);
// one after its failure starts another.
func TestDeleteAgain(t *testing.T) {
	cases := map[string]struct {
		reason  string
		first   func(int) execution
		started []string
	}{
		"Runs": {"the same execution", ends(58*time.Minute, "SUCCEEDED", ""), []string{first}},
		"Failed": {"another attempt", func(n int) execution {
			return execution{end: map[int]types.ExecutionStatus{1: "FAILED", 2: "SUCCEEDED"}[n], over: time.Now().Add(time.Minute)}
		}, []string{first, second}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world{t: t, by: stack.ForeignDeletion, there: []string{"Network"}, executions: map[string]*execution{}, starts: tc.first}
				w.run(event("Delete"))
				w.payloads, w.begun = nil, time.Time{}
				again := event("Delete")
				again["RequestId"] = "r-2"
				w.run(again)
				if diff := cmp.Diff(tc.started, w.started); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
				if len(w.answers) != 2 || w.answers[0]["Status"] != "FAILED" || w.answers[1]["Status"] != "SUCCESS" || w.answers[1]["RequestId"] != "r-2" {
					t.Errorf("%s: answers %v", tc.reason, w.answers)
				}
			})
		})
	}
}

func TestOtherRequests(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(map[string]any)
		status string
		id     string
	}{
		"Create": {reason: "the environment is there already", change: func(e map[string]any) {
			e["RequestType"] = "Create"
			delete(e, "PhysicalResourceId")
		}, status: "SUCCESS", id: "222222222222/us-east-1/opa-dev"},
		"Update": {reason: "another id would delete the environment", change: func(e map[string]any) { e["RequestType"] = "Update" }, status: "SUCCESS", id: "222222222222/us-east-1/opa-dev"},
		"FailedCreate": {reason: "what was never created is not deleted", change: func(e map[string]any) {
			e["PhysicalResourceId"] = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
		}, status: "SUCCESS", id: "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"},
		"NoRequest": {reason: "nobody knows which environment", change: func(e map[string]any) {
			e["ResourceProperties"] = map[string]string{"Request": "{}"}
		}, status: "FAILED", id: "222222222222/us-east-1/opa-dev"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world{t: t, by: stack.ForeignDeletion}
				e := event("Delete")
				tc.change(e)
				w.run(e)
				if len(w.answers) != 1 || w.answers[0]["Status"] != tc.status || w.answers[0]["PhysicalResourceId"] != tc.id {
					t.Errorf("%s: answers %v", tc.reason, w.answers)
				}
				if len(w.started) > 0 {
					t.Errorf("%s: started %v", tc.reason, w.started)
				}
			})
		})
	}
}

// Called by hand it does nothing.
func TestWithoutCloudFormation(t *testing.T) {
	hook := deletehook.New(deletehook.Options{Log: slog.New(slog.DiscardHandler)})
	for name, payload := range map[string]string{"Nothing": `{}`, "NoObject": `[]`, "NoURL": `{"RequestType": "Delete"}`} {
		var said messages.InvokeResponse_Error
		if err := hook.Invoke(t.Context(), json.RawMessage(payload)); !errors.As(err, &said) || said.Type != "InvalidRequest" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
