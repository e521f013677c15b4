package kubectl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

const (
	adminRole = "arn:aws:iam::222222222222:role/dev-shop-cluster-admin"
	shopWeb   = "/apis/apps/v1/namespaces/shop/deployments/web"
	awsAuth   = "/api/v1/namespaces/kube-system/configmaps/aws-auth"
)

// connector hands out a client of a fake and notes who asked for what.
type connector struct {
	client *kube.Client
	err    error
	// stale is how often the connection is out of date.
	stale int
	// unready is how often the cluster is being created still.
	unready int
	asked   []string
	// deadline is that of the last request.
	deadline time.Time
}

func (c *connector) Connect(ctx context.Context, cluster, role string) (*kube.Client, error) {
	c.deadline, _ = ctx.Deadline()
	c.asked = append(c.asked, cluster+" "+role)
	if c.stale--; c.stale >= 0 {
		return nil, fault.Wrap(fault.Transient, kube.ErrStale, "connect")
	}
	if c.unready--; c.unready >= 0 {
		return nil, fault.Wrap(fault.Transient, kube.ErrClusterNotReady, "connect")
	}
	return c.client, c.err
}

// function is a handler with what surrounds it.
type function struct {
	*kubectl.Handler
	fake      *kubetest.Fake
	connector *connector
	log       *bytes.Buffer
	options   kubectl.Options
}

func newFunction(t *testing.T) *function {
	t.Helper()
	f := &function{fake: kubetest.NewFake(t), connector: &connector{}, log: &bytes.Buffer{}}
	client, err := kube.NewClient(f.fake.Config(), kube.Options{Patience: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f.connector.client = client
	f.options = kubectl.Options{
		Connector:      f.connector,
		Roles:          kubectl.ParseRoles("arn:aws:iam::222222222222:role/dev-shop-*, *-eks-resources-*"),
		Charts:         helm.NewCharts(aws.Config{}, nil),
		Log:            slog.New(slog.NewJSONHandler(f.log, nil)),
		DeletePatience: time.Second,
	}
	f.Handler = kubectl.New(f.options)
	f.fake.Put(awsAuth, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":{"mapRoles":"[{}]"}}`)
	f.fake.Put(shopWeb, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop",
		"labels":{"app.kubernetes.io/env":"dev","app.kubernetes.io/name":"café 🚀"}},"spec":{"replicas":1}}`)
	return f
}

// invoke sends a request and returns the answer, or errorType and errorMessage.
func (f *function) invoke(t *testing.T, payload string) (answer, errorType, message string) {
	t.Helper()
	raw, err := f.Invoke(t.Context(), json.RawMessage(payload))
	var failure messages.InvokeResponse_Error
	if errors.As(err, &failure) {
		return "", failure.Type, failure.Message
	}
	if err != nil {
		t.Fatalf("an error that Lambda would report by its Go type: %v", err)
	}
	return string(raw), "", ""
}

// event makes a request from a resource type without its common beginning and the members of its properties.
func event(request, resource, properties string) string {
	return `{"RequestType":"` + request + `","ResourceType":"Custom::AWSCDK-EKS-` + resource +
		`","ResourceProperties":{"ClusterName":"dev-shop-cluster","RoleArn":"` + adminRole + `",` + properties + `}}`
}

func TestPanicIsAnAnswer(t *testing.T) {
	f := newFunction(t)
	f.connector.client = nil
	for _, payload := range []string{
		event("Create", "KubernetesObjectValue", `"ObjectType":"configmaps","ObjectName":"hunter2","JsonPath":"@"`),
		`{"Command":["get","pods","hunter2"],"ClusterName":"dev-shop-cluster","RoleArn":"` + adminRole + `"}`,
	} {
		_, code, message := f.invoke(t, payload)
		if code != "Internal" || !strings.Contains(message, "Its log has the place.") {
			t.Errorf("%s: %s", code, message)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "internal/kubectl") || strings.Contains(log, "hunter2") {
		t.Errorf("the log has to name the place, and nothing that was asked for: %s", log)
	}
}

// TestHarmonixPayloads sends what Harmonix sends, letter by letter.
func TestHarmonixPayloads(t *testing.T) {
	manifest := `"[{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"spec\":{\"replicas\":0}},null]"`
	labels := `"ObjectLabels":"app.kubernetes.io/env=dev,app.kubernetes.io/name=none","JsonPath":"@"`
	common := `"TimeoutSeconds":"5","ObjectNamespace":"shop","InvocationType":"RequestResponse",`
	cases := map[string]struct {
		reason  string
		payload string
		answer  string
	}{
		"ReadDeployments": {
			reason:  "labels that match nothing give an empty List, which is an answer",
			payload: event("Create", "KubernetesObjectValue", common+`"ObjectType":"deployments",`+labels),
			answer:  `{"Data":{"Value":"{\"apiVersion\":\"v1\",\"items\":[],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}"}}`,
		},
		"ReadConfigMaps": {
			reason:  "as above",
			payload: event("Create", "KubernetesObjectValue", common+`"ObjectType":"configmaps",`+labels),
			answer:  `{"Data":{"Value":"{\"apiVersion\":\"v1\",\"items\":[],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}"}}`,
		},
		"StartStop": {
			reason:  "unknown properties and null documents are ignored",
			payload: event("Update", "KubernetesResource", `"TimeoutSeconds":"5","InvocationType":"RequestResponse","Manifest":`+manifest),
			answer:  `null`,
		},
		"DeleteApp": {
			reason:  "the objects are deleted",
			payload: event("Delete", "KubernetesResource", `"Manifest":`+manifest),
			answer:  `null`,
		},
		"PipelineApply": {
			reason:  "an apply answers null",
			payload: event("Update", "KubernetesResource", `"Manifest":`+manifest),
			answer:  `null`,
		},
		"PipelineReadsAwsAuth": {
			reason:  "one object comes as itself",
			payload: event("Create", "KubernetesObjectValue", `"TimeoutSeconds":"10","ObjectNamespace":"kube-system","ObjectType":"configmap","ObjectName":"aws-auth","JsonPath":"@"`),
			answer:  `{"Data":{"Value":"{\"apiVersion\":\"v1\",\"data\":{\"mapRoles\":\"[{}]\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"aws-auth\",\"namespace\":\"kube-system\",\"resourceVersion\":\"1\"}}"}}`,
		},
		"PipelinePatchesAwsAuth": {
			reason: "a patch answers null",
			payload: event("Create", "KubernetesPatch", `"ResourceNamespace":"kube-system","ApplyPatchJson":"{\"data\": {\"mapRoles\": \"[{},{}]\"}}",
				"RestorePatchJson":"{\"data\": {\"mapRoles\": \"[{}]\"}}","ResourceName":"configmap/aws-auth","PatchType":"merge"`),
			answer: `null`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			answer, errorType, message := f.invoke(t, tc.payload)
			if diff := cmp.Diff(tc.answer, answer); diff != "" {
				t.Errorf("%s: answer (-want +got):\n%s%s %s", tc.reason, diff, errorType, message)
			}
			if diff := cmp.Diff([]string{"dev-shop-cluster " + adminRole}, f.connector.asked); diff != "" {
				t.Errorf("connections (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		reason  string
		payload string
		code    string
		message string
	}{
		"NoJSON":       {"an event is an object", `"x"`, "InvalidRequest", "the event is not a JSON object"},
		"UnknownType":  {"the text is the CDK's", event("Create", "Cluster", `"a":1`), "InvalidRequest", "unknown resource type Custom::AWSCDK-EKS-Cluster"},
		"RequestType":  {"the text is the CDK's", event("Look", "KubernetesPatch", `"a":1`), "InvalidRequest", "invalid request type Look"},
		"Chart":        {"the text is the CDK's", event("Create", "HelmChart", `"Release":"r"`), "InvalidRequest", "chart or chartAsset must be specified"},
		"Release":      {"required", event("Create", "HelmChart", `"Chart":"c"`), "InvalidRequest", "Release is required"},
		"Values":       {"values are an object, and never repeated", event("Create", "HelmChart", `"Release":"r","Values":"[\"s\"]"`), "InvalidRequest", "property Values is not a JSON object"},
		"Timeout":      {"a time has a unit, or is seconds", event("Create", "HelmChart", `"Release":"r","Timeout":"soon"`), "InvalidRequest", "Timeout"},
		"Wait":         {"what is neither is refused", event("Create", "HelmChart", `"Release":"r","Wait":"maybe"`), "InvalidRequest", "Wait"},
		"Role":         {"only listed roles are assumed", strings.Replace(event("Create", "KubernetesObjectValue", `"ObjectType":"cm","JsonPath":"@"`), adminRole, "arn:aws:iam::222222222222:role/admin", 1), "AccessDenied", "role/admin"},
		"JSONPath":     {"a path that is wrong never gets right", event("Create", "KubernetesObjectValue", `"ObjectType":"cm","JsonPath":".a["`), "InvalidRequest", "JsonPath"},
		"Manifest":     {"a manifest is an array of objects", event("Create", "KubernetesResource", `"Manifest":"[1]"`), "InvalidRequest", "number 1"},
		"OnlyNulls":    {"nothing to apply", event("Update", "KubernetesResource", `"Manifest":"[null]"`), "InvalidRequest", "no objects"},
		"Flag":         {"what is neither is refused", event("Create", "KubernetesResource", `"Manifest":"[{}]","Overwrite":"perhaps"`), "InvalidRequest", "Overwrite"},
		"PatchType":    {"kubectl's three", event("Create", "KubernetesPatch", `"ResourceName":"cm/a","PatchType":"x"`), "InvalidRequest", "PatchType"},
		"NoManifest":   {"required", event("Create", "KubernetesResource", `"Manifest":null`), "InvalidRequest", "Manifest is required"},
		"NotFoundTime": {"what never comes ends with the timeout", event("Create", "KubernetesObjectValue", `"ObjectType":"cm","ObjectName":"none","JsonPath":"@","TimeoutSeconds":0`), "Failed", "Timeout waiting for output"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, code, message := newFunction(t).invoke(t, tc.payload)
			if code != tc.code || !strings.Contains(message, tc.message) {
				t.Errorf("%s: %s %q, want %s with %q", tc.reason, code, message, tc.code, tc.message)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	forbidden := kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden", Message: "no"}
	missing := kubetest.Answer{Status: http.StatusNotFound, Reason: "NotFound", Message: "not yet"}
	cases := map[string]struct {
		reason     string
		properties string
		answers    []kubetest.Answer
		answer     string
		code       string
	}{
		"Number": {reason: "scalars come raw", properties: `"JsonPath":".spec.replicas"`, answer: `{"Data":{"Value":"1"}}`},
		"Map":    {reason: "maps come as JSON", properties: `"JsonPath":".spec"`, answer: `{"Data":{"Value":"{\"replicas\":1}"}}`},
		"ASCII": {
			reason:     "the answer is ASCII whatever it says",
			properties: `"JsonPath":".metadata.labels.app\\.kubernetes\\.io/name"`,
			answer:     `{"Data":{"Value":"caf\u00e9 \ud83d\ude80"}}`,
		},
		"Appears":   {reason: "what is not there yet is waited for", properties: `"JsonPath":".spec.replicas"`, answers: []kubetest.Answer{missing}, answer: `{"Data":{"Value":"1"}}`},
		"Forbidden": {reason: "a refusal is not waited out", properties: `"JsonPath":"@"`, answers: []kubetest.Answer{forbidden}, code: "AccessDenied"},
		"Empty":     {reason: "a path that finds nothing is waited for in vain", properties: `"JsonPath":".status.none","TimeoutSeconds":"0.1"`, code: "Failed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			f.fake.Answer("GET "+shopWeb, tc.answers...)
			answer, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", `"ObjectType":"deploy","ObjectName":"web","ObjectNamespace":"shop",`+tc.properties))
			if answer != tc.answer || code != tc.code {
				t.Errorf("%s: %s %s %s, want %s %s", tc.reason, answer, code, message, tc.answer, tc.code)
			}
		})
	}
}

func TestStaleConnectionIsMadeAnew(t *testing.T) {
	f := newFunction(t)
	f.connector.stale = 1
	query := event("Create", "KubernetesObjectValue", `"ObjectType":"deploy","ObjectName":"web","ObjectNamespace":"shop","JsonPath":".spec.replicas"`)
	if answer, code, message := f.invoke(t, query); answer != `{"Data":{"Value":"1"}}` {
		t.Errorf("%s %s %s", answer, code, message)
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	f := newFunction(t)
	f.fake.Answer("GET /api/v1/namespaces/shop/secrets/s", kubetest.Answer{Status: 422, Reason: "Invalid", Message: "data: Invalid value: c2VjcmV0"})
	_, code, message := f.invoke(t, event("Update", "KubernetesResource",
		`"Manifest":"[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"namespace\":\"shop\"},\"stringData\":{\"a\":\"secret\"}}]"`))
	if code != "Failed" {
		t.Errorf("code %s", code)
	}
	// A stage that calls the function logs the message.
	if strings.Contains(message, "c2VjcmV0") {
		t.Errorf("message: %s", message)
	}
	if log := f.log.String(); strings.Contains(log, "secret\"") || strings.Contains(log, "c2VjcmV0") || !strings.Contains(log, `"failed":1`) {
		t.Errorf("log: %s", log)
	}
}

func TestRuntimeLogLeavesOutErrors(t *testing.T) {
	var out bytes.Buffer
	log := kubectl.RuntimeLog(&out)
	for _, line := range []string{"one\n", `2026/11/22 14:00:00 {"errorMessage":"x","errorType":"Failed"}` + "\n", "two\n"} {
		if n, err := log.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	if diff := cmp.Diff("one\ntwo\n", out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A caller waits for an access entry to take effect, but not for a permission of IAM's.
func TestRefusalByTheClusterSaysSo(t *testing.T) {
	forbidden := kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden", Message: "no"}
	query := event("Create", "KubernetesObjectValue", `"ObjectType":"deploy","ObjectName":"web","ObjectNamespace":"shop","JsonPath":"@"`)
	cases := map[string]struct {
		reason  string
		payload string
		err     error
		want    bool
	}{
		"Cluster":  {"RBAC or authentication", query, nil, true},
		"IAM":      {"the role cannot be assumed", query, fault.New(fault.AccessDenied, "assume role"), false},
		"Function": {"the role is not on the list", strings.Replace(query, adminRole, "arn:aws:iam::222222222222:role/admin", 1), nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			f.connector.err = tc.err
			f.fake.Answer("GET "+shopWeb, forbidden)
			_, code, message := f.invoke(t, tc.payload)
			if code != "AccessDenied" || strings.HasPrefix(message, protocol.Refused) != tc.want {
				t.Errorf("%s: %s %s", tc.reason, code, message)
			}
		})
	}
}

func TestErrorInParts(t *testing.T) {
	query := event("Create", "KubernetesObjectValue", `"ObjectType":"cm","JsonPath":"@","ErrorDetails":"true"`)
	_, code, message := newFunction(t).invoke(t, strings.Replace(query, adminRole, "arn:aws:iam::222222222222:role/admin", 1))
	var got protocol.Failure
	if err := json.Unmarshal([]byte(message), &got); err != nil {
		t.Fatal(message)
	}
	want := protocol.Failure{
		Message: "this function may not assume role arn:aws:iam::222222222222:role/admin on a caller's behalf",
		Field:   "/ResourceProperties/RoleArn",
		Next:    "Add the role's ARN or a pattern of it to assumableRoles in the environment's request and apply it again.",
	}
	if diff := cmp.Diff(want, got); diff != "" || code != "AccessDenied" {
		t.Errorf("%s (-want +got):\n%s", code, diff)
	}
}

// Harmonix' page decodes an answer byte by byte, errors as well (kubectl-protocol.md, 1I).
func TestErrorsAreASCII(t *testing.T) {
	named := `"Manifest":"[{\"apiVersion\":\"v1\",\"kind\":\"Caf\u00e9\",\"metadata\":{\"name\":\"\ud83d\ude80\"}}]"`
	cases := map[string]struct{ reason, payload, want string }{
		"OwnSign": {"a sign in a text of ours", `{"ClusterName":"dev-shop-cluster","Command":["get","pods","--template=x"]}`, "go-template=... or"},
		"Name":    {"what the caller wrote", event("Update", "KubernetesResource", named), `Caf\u00e9 \ud83d\ude80`},
		"Parts":   {"an error as JSON", event("Update", "KubernetesResource", named+`,"ErrorDetails":true`), `Caf\u00e9 \ud83d\ude80`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, code, message := newFunction(t).invoke(t, tc.payload)
			if code == "" || !strings.Contains(message, tc.want) {
				t.Errorf("%s: %s %q has no %s", tc.reason, code, message, tc.want)
			}
			if strings.ContainsFunc(message, func(r rune) bool { return r > 0x7e }) {
				t.Errorf("%s: %q", tc.reason, message)
			}
		})
	}
}
