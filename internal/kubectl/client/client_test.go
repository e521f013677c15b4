package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// function answers an invocation and keeps what it was asked.
type function struct {
	payload string
	// kind is Lambda's FunctionError, empty for a success.
	kind  string
	err   error
	asked *lambda.InvokeInput
}

func (f *function) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	f.asked = in
	if f.err != nil {
		return nil, f.err
	}
	out := &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(f.payload)}
	if f.kind != "" {
		out.FunctionError = &f.kind
	}
	return out, nil
}

func (f *function) client() *client.Client {
	return client.New(f, "EKS-ENV-opa-dev-kubectl", "opa-dev-cluster", "arn:admin")
}

// request is what was asked, as JSON.
func (f *function) request(t *testing.T) map[string]any {
	t.Helper()
	if name := aws.ToString(f.asked.FunctionName); name != "EKS-ENV-opa-dev-kubectl" || f.asked.InvocationType != "" {
		t.Errorf("asked %s, %q", name, f.asked.InvocationType)
	}
	var request map[string]any
	if err := json.Unmarshal(f.asked.Payload, &request); err != nil {
		t.Fatal(err)
	}
	return request
}

// The requests are those of the CDK's custom resources (kubectl-protocol.md, section 1).
func TestApply(t *testing.T) {
	f := &function{payload: `{"Data": {"Value": "[{\"object\":\"ConfigMap kube-system/a\",\"change\":\"updated\"}]"}}`}
	changes, err := f.client().Apply(t.Context(), client.Object{"kind": "ConfigMap"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Change{{Object: "ConfigMap kube-system/a", Change: "updated"}}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"RequestType": "Update", "ResourceType": "Custom::AWSCDK-EKS-KubernetesResource",
		"ResourceProperties": map[string]any{
			"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "Manifest": `[{"kind":"ConfigMap"}]`, "ReportChanges": "true",
		},
	}
	if diff := cmp.Diff(want, f.request(t)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestList(t *testing.T) {
	f := &function{payload: `{"Data": {"Value": "{\"kind\":\"List\",\"items\":[{\"kind\":\"ConfigMap\"}]}"}}`}
	objects, err := f.client().List(t.Context(), "configmaps", "kube-system", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Object{{"kind": "ConfigMap"}}, objects); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"RequestType": "Create", "ResourceType": "Custom::AWSCDK-EKS-KubernetesObjectValue",
		"ResourceProperties": map[string]any{
			"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "ObjectType": "configmaps", "ObjectNamespace": "kube-system",
			"JsonPath": "@", "TimeoutSeconds": "10",
		},
	}
	if diff := cmp.Diff(want, f.request(t)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// What is decoded is asked for, and nothing else: of a thousand nodes everything is more than Lambda
// answers with.
func TestListOfFields(t *testing.T) {
	f := &function{payload: `{"Data": {"Value": "{\"items\":[]}"}}`}
	if _, _, err := f.client().Pod(t.Context(), "kube-system", "probe"); err != nil {
		t.Fatal(err)
	}
	properties, _ := f.request(t)["ResourceProperties"].(map[string]any)
	text, _ := properties["Fields"].(string)
	want := `{
		"metadata": {"name":{}, "annotations":{}, "creationTimestamp":{}, "deletionTimestamp":{}, "ownerReferences":{"controller":{}}},
		"spec": {"nodeName":{}, "schedulerName":{}},
		"status": {
			"phase":{}, "conditions":{"type":{}, "status":{}, "message":{}},
			"containerStatuses":{"state":{"waiting":{"reason":{}, "message":{}}, "terminated":{"reason":{}, "message":{}}}}
		}
	}`
	var expected, got any
	if err := errors.Join(json.Unmarshal([]byte(want), &expected), json.Unmarshal([]byte(text), &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestTooLarge(t *testing.T) {
	f := &function{kind: "Unhandled", payload: `{"errorType": "InvalidRequest", "errorMessage": "{\"message\":\"list pods: there are more than 50000\",\"tooLarge\":true}"}`}
	if _, err := f.client().List(t.Context(), "pods", "shop", nil); !errors.Is(err, client.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	f.payload = `{"errorType": "InvalidRequest", "errorMessage": "{\"message\":\"m\"}"}`
	if _, err := f.client().List(t.Context(), "pods", "shop", nil); errors.Is(err, client.ErrTooLarge) {
		t.Errorf("another one: %v", err)
	}
}

func TestErrors(t *testing.T) {
	cases := map[string]struct {
		reason   string
		function function
		code     fault.Code
		message  string
	}{
		"OwnCode":       {"the function's class is kept", function{kind: "Unhandled", payload: `{"errorType": "AccessDenied", "errorMessage": "configmaps is forbidden"}`}, "AccessDenied", "EKS-ENV-opa-dev-kubectl: configmaps is forbidden"},
		"Conflict":      {"the caller begins again", function{kind: "Unhandled", payload: `{"errorType": "Conflict", "errorMessage": "m"}`}, "Conflict", "m"},
		"TimedOut":      {"the runtime's own errors have none of our names", function{kind: "Unhandled", payload: `{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}`}, "Transient", "Task timed out"},
		"OutOfMemory":   {"as above", function{kind: "Unhandled", payload: `{"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"}`}, "Transient", "killed"},
		"NoType":        {"as above", function{kind: "Unhandled", payload: `{"errorMessage": "Process exited"}`}, "Transient", "Process exited"},
		"NoJSON":        {"an error that cannot be read is a defect", function{kind: "Unhandled", payload: `<html>`}, "Internal", "cannot read the error"},
		"Answer":        {"so is an answer", function{payload: `<html>`}, "Internal", "cannot read the answer"},
		"Null":          {"and one that says nothing", function{payload: `null`}, "Internal", "cannot read the answer"},
		"Value":         {"and a value that is no JSON", function{payload: `{"Data": {"Value": "applied"}}`}, "Internal", "cannot read the answer"},
		"Pending":       {"a function in a VPC is not there at once", function{err: &types.ResourceConflictException{}}, "Transient", "not ready yet"},
		"Inactive":      {"nor after weeks without use", function{err: &types.ResourceNotReadyException{}}, "Transient", "not ready yet"},
		"NoENI":         {"nor without its network interfaces", function{err: &types.ENINotReadyException{}}, "Transient", "not ready yet"},
		"Throttled":     {"Lambda is busy", function{err: &types.TooManyRequestsException{}}, "Throttled", "cannot invoke"},
		"NotAllowed":    {"the environment role lacks a right", function{err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, "AccessDenied", "cannot invoke"},
		"NoFunction":    {"somebody deleted it", function{err: &types.ResourceNotFoundException{}}, "Failed", "cannot invoke"},
		"NoConnection":  {"time cures it", function{err: errors.New("connection reset")}, "Transient", "cannot invoke"},
		"LambdaIsBroke": {"time cures it", function{err: &types.ServiceException{}}, "Transient", "cannot invoke"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tc.function.client().Apply(t.Context(), client.Object{})
			if code := fault.CodeOf(err); code != tc.code || err != nil && !strings.Contains(err.Error(), tc.message) {
				t.Errorf("%s: Apply: got %q (%v), want %q, %q", tc.reason, code, err, tc.code, tc.message)
			}
			_, err = tc.function.client().List(t.Context(), "configmaps", "kube-system", nil)
			if code := fault.CodeOf(err); code != tc.code {
				t.Errorf("%s: List: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	cases := map[string]struct {
		reason  string
		changes []client.Change
		change  string
		objects []string
	}{
		"Nothing":   {reason: "no object", change: "unchanged"},
		"Unchanged": {reason: "a re-apply", changes: []client.Change{{Object: "A", Change: "unchanged"}, {Object: "B", Change: "unchanged"}}, change: "unchanged"},
		"Created":   {reason: "all of them new", changes: []client.Change{{Object: "A", Change: "created"}, {Object: "B", Change: "created"}}, change: "created", objects: []string{"A", "B"}},
		"Mixed":     {reason: "one new among old ones", changes: []client.Change{{Object: "A", Change: "unchanged"}, {Object: "B", Change: "created"}}, change: "updated", objects: []string{"B"}},
		"Updated":   {reason: "one changed", changes: []client.Change{{Object: "A", Change: "updated"}, {Object: "B", Change: "unchanged"}}, change: "updated", objects: []string{"A"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			change, objects := client.Summarize(tc.changes)
			if string(change) != tc.change {
				t.Errorf("%s: got %s, want %s", tc.reason, change, tc.change)
			}
			if diff := cmp.Diff(tc.objects, objects); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCreate(t *testing.T) {
	f := &function{payload: `{"Data": {"Value": "[{\"object\":\"ConfigMap kube-system/a\",\"change\":\"created\"}]"}}`}
	changes, err := f.client().Create(t.Context(), client.Object{"kind": "ConfigMap"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Change{{Object: "ConfigMap kube-system/a", Change: "created"}}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"RequestType": "Create", "ResourceType": "Custom::AWSCDK-EKS-KubernetesResource",
		"ResourceProperties": map[string]any{
			"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "Manifest": `[{"kind":"ConfigMap"}]`, "Overwrite": "false", "ReportChanges": "true",
		},
	}
	if diff := cmp.Diff(want, f.request(t)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestInstall(t *testing.T) {
	common := map[string]any{
		"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "Release": "r", "Namespace": "n", "Values": `{"a":1}`,
		"UpgradeCrds": "true", "ReportChanges": "true",
	}
	cases := map[string]struct {
		reason     string
		repository string
		want       map[string]any
	}{
		"Repository": {"a repository has many charts", "https://charts.example", map[string]any{"Chart": "c", "Repository": "https://charts.example", "Version": "1.2.3"}},
		"Registry":   {"so has a registry", "oci://registry.example/charts", map[string]any{"Chart": "c", "Repository": "oci://registry.example/charts", "Version": "1.2.3"}},
		"Asset":      {"an object is one version of one chart", "s3://bucket/c.zip", map[string]any{"ChartAssetURL": "s3://bucket/c.zip"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := &function{payload: `{"Data": {"Value": "[{\"object\":\"Release n/r\",\"change\":\"updated\"}]"}}`}
			changes, err := f.client().Install(t.Context(), client.Chart{
				Release: "r", Namespace: "n", Name: "c", Repository: tc.repository, Version: "1.2.3", Values: map[string]any{"a": 1},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]client.Change{{Object: "Release n/r", Change: "updated"}}, changes); diff != "" {
				t.Errorf("%s: changes (-want +got):\n%s", tc.reason, diff)
			}
			maps.Copy(tc.want, common)
			want := map[string]any{"RequestType": "Update", "ResourceType": "Custom::AWSCDK-EKS-HelmChart", "ResourceProperties": tc.want}
			if diff := cmp.Diff(want, f.request(t)); diff != "" {
				t.Errorf("%s: request (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPatch(t *testing.T) {
	f := &function{payload: `null`}
	if err := f.client().Patch(t.Context(), "kube-system", "deployment/coredns", map[string]any{"spec": 1}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"RequestType": "Update", "ResourceType": "Custom::AWSCDK-EKS-KubernetesPatch",
		"ResourceProperties": map[string]any{
			"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "ResourceName": "deployment/coredns", "ResourceNamespace": "kube-system",
			"ApplyPatchJson": `{"spec":1}`, "RestorePatchJson": "{}", "PatchType": "strategic",
		},
	}
	if diff := cmp.Diff(want, f.request(t)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		reason   string
		function function
		want     bool
	}{
		"Cluster":  {"RBAC or authentication", function{kind: "Unhandled", payload: `{"errorType": "AccessDenied", "errorMessage": "` + protocol.Refused + `no"}`}, true},
		"Function": {"a role that is not on its list", function{kind: "Unhandled", payload: `{"errorType": "AccessDenied", "errorMessage": "this function may not assume role r"}`}, false},
		"Other":    {"another code says something else", function{kind: "Unhandled", payload: `{"errorType": "Failed", "errorMessage": "` + protocol.Refused + `no"}`}, false},
		"Lambda":   {"the stage may not invoke", function{err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tc.function.client().List(t.Context(), "configmaps", "kube-system", nil)
			if err == nil || errors.Is(err, client.ErrRefused) != tc.want {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	type named struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	got, err := client.Decode[named](client.Object{"kind": "Node", "metadata": map[string]any{"name": "n"}})
	if err != nil || got.Metadata.Name != "n" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := client.Decode[named](client.Object{"metadata": "none"}); fault.CodeOf(err) != fault.Internal {
		t.Errorf("an object of another form: %v", err)
	}
}

// A user needs the field and the way out apart from the message.
func TestErrorHasItsParts(t *testing.T) {
	cases := map[string]struct {
		reason  string
		message string
		want    fault.Error
	}{
		"Parts":  {"field and next are carried through", `{"message":"no version 9.9.9","field":"/ResourceProperties/Version","next":"Nearest there are: 3.5.0."}`, fault.Error{Message: "EKS-ENV-opa-dev-kubectl: no version 9.9.9", Field: "/chart/version", Next: "Nearest there are: 3.5.0."}},
		"Role":   {"the role is the request's", `{"message":"no role","field":"/ResourceProperties/RoleArn"}`, fault.Error{Message: "EKS-ENV-opa-dev-kubectl: no role", Field: "/clusterAdminRole"}},
		"Ours":   {"a manifest is no field of the user's", `{"message":"no","field":"/ResourceProperties/Manifest"}`, fault.Error{Message: "EKS-ENV-opa-dev-kubectl: no"}},
		"Text":   {"an older function answers text", `no. Do something`, fault.Error{Message: "EKS-ENV-opa-dev-kubectl: no. Do something"}},
		"Number": {"text can look like JSON", `5`, fault.Error{Message: "EKS-ENV-opa-dev-kubectl: 5"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			payload, err := json.Marshal(map[string]string{"errorType": "InvalidRequest", "errorMessage": tc.message})
			if err != nil {
				t.Fatal(err)
			}
			f := function{kind: "Unhandled", payload: string(payload)}
			_, err = f.client().List(t.Context(), "configmaps", "kube-system", nil)
			got := fault.As(err)
			tc.want.Code = fault.InvalidRequest
			if diff := cmp.Diff(tc.want, fault.Error{Code: got.Code, Message: got.Message, Field: got.Field, Next: got.Next}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
