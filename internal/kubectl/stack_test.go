package kubectl_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

const (
	ownARN       = "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-dev-shop-kubectl"
	frameworkARN = "arn:aws:lambda:us-east-1:222222222222:function:KubectlProvider-frameworkonEvent"
	createFailed = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
)

// stackFunction is a function that CloudFormation asks.
type stackFunction struct {
	*function
	server *httptest.Server
	mu     sync.Mutex
	puts   []map[string]any
}

func newStackFunction(t *testing.T) *stackFunction {
	t.Helper()
	s := &stackFunction{function: newFunction(t)}
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.puts = append(s.puts, body)
	}))
	t.Cleanup(s.server.Close)
	s.Handler = kubectl.New(kubectl.Options{
		Connector:      s.connector,
		Roles:          kubectl.ParseRoles("arn:aws:iam::222222222222:role/dev-shop-*"),
		Charts:         helm.NewCharts(aws.Config{}, nil),
		HTTP:           s.server.Client(),
		Log:            slog.New(slog.NewJSONHandler(s.log, nil)),
		Files:          files{},
		DeletePatience: time.Second,
		DescribePause:  time.Millisecond,
		Patience:       kube.Patience{Transient: 200 * time.Millisecond, Unauthorized: 200 * time.Millisecond},
	})
	return s
}

// ask sends an event with CloudFormation's envelope and returns what Lambda's caller gets.
func (s *stackFunction) ask(t *testing.T, token, id, payload string) (string, error) {
	t.Helper()
	envelope := `"ServiceToken":"` + token + `","ResponseURL":"` + s.server.URL + `/answer?X-Amz-Signature=planted","StackId":"arn:stack","RequestId":"request-1","LogicalResourceId":"Objects",`
	if id != "" {
		envelope += `"PhysicalResourceId":"` + id + `",`
	}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: ownARN, AwsRequestID: "invocation"})
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answer, err := s.Invoke(ctx, json.RawMessage(`{`+envelope+strings.TrimPrefix(payload, "{")))
	if strings.Contains(s.log.String(), "planted") {
		t.Errorf("the log has the ResponseURL: %s", s.log)
	}
	return string(answer), err
}

const webReplicas = `"ObjectType":"deploy","ObjectName":"web","ObjectNamespace":"shop","JsonPath":".spec.replicas"`

// TestThreeWaysIn sends the same request in each of the three ways (kubectl-protocol.md, 2.2).
func TestThreeWaysIn(t *testing.T) {
	query := event("Create", "KubernetesObjectValue", webReplicas)
	refused := event("Create", "KubernetesObjectValue", webReplicas+`,"RoleArn":"arn:aws:iam::222222222222:role/other"`)
	cases := map[string]struct {
		reason  string
		token   string
		payload string
		answer  string
		fails   bool
		puts    []map[string]any
	}{
		"Direct": {
			reason: "CloudFormation is answered, and Lambda is told nothing", token: ownARN, payload: query, answer: "null",
			puts: []map[string]any{{"Status": "SUCCESS", "PhysicalResourceId": "request-1", "Data": map[string]any{"Value": "1"}}},
		},
		"Alias": {
			reason: "an alias is the same function", token: ownARN + ":live", payload: query, answer: "null",
			puts: []map[string]any{{"Status": "SUCCESS", "PhysicalResourceId": "request-1", "Data": map[string]any{"Value": "1"}}},
		},
		"DirectFails": {
			reason: "a failure is an answer, not an error that Lambda would repeat", token: ownARN, payload: refused, answer: "null",
			puts: []map[string]any{{
				"Status": "FAILED", "PhysicalResourceId": createFailed,
				"Reason": "AccessDenied: this function may not assume role arn:aws:iam::222222222222:role/other on a caller's behalf. " +
					"Add the role's ARN or a pattern of it to assumableRoles in the environment's request and apply it again.",
			}},
		},
		"Framework":      {reason: "the framework answers CloudFormation", token: frameworkARN, payload: query, answer: `{"Data":{"Value":"1"}}`},
		"FrameworkFails": {reason: "and needs the error", token: frameworkARN, payload: refused, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStackFunction(t)
			answer, err := s.ask(t, tc.token, "", tc.payload)
			if answer != tc.answer || (err != nil) != tc.fails {
				t.Errorf("%s: answer %s, error %v", tc.reason, answer, err)
			}
			for _, put := range tc.puts {
				put["StackId"], put["RequestId"], put["LogicalResourceId"] = "arn:stack", "request-1", "Objects"
			}
			if diff := cmp.Diff(tc.puts, s.puts); diff != "" {
				t.Errorf("%s: answers to CloudFormation (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestIdentityStays changes what names the objects: another physical id would delete the live ones.
func TestIdentityStays(t *testing.T) {
	s := newStackFunction(t)
	update := strings.TrimSuffix(event("Update", "KubernetesResource", manifest(t, "l", "new")), "}") +
		`,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",` + manifest(t, "l", "old") + `}}`
	for _, payload := range []string{event("Create", "KubernetesResource", manifest(t, "l", "old")), update, event("Delete", "KubernetesResource", manifest(t, "l", "new"))} {
		if _, err := s.ask(t, ownARN, "kept", payload); err != nil {
			t.Fatal(err)
		}
	}
	for _, put := range s.puts {
		if put["Status"] != "SUCCESS" || put["PhysicalResourceId"] != "kept" {
			t.Errorf("answered %v", put)
		}
	}
}

// TestFailedCreateDeletesNothing follows CloudFormation's rollback of a creation that collided.
func TestFailedCreateDeletesNothing(t *testing.T) {
	s := newStackFunction(t)
	s.fake.Put(maps+"live", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"live","namespace":"shop"}}`)
	payload := manifest(t, "l", "live")
	if _, err := s.ask(t, ownARN, "", event("Create", "KubernetesResource", payload)); err != nil {
		t.Fatal(err)
	}
	if s.puts[0]["Status"] != "FAILED" || s.puts[0]["PhysicalResourceId"] != createFailed {
		t.Fatalf("Create was answered %v", s.puts[0])
	}
	if _, err := s.ask(t, ownARN, createFailed, event("Delete", "KubernetesResource", payload)); err != nil {
		t.Fatal(err)
	}
	if s.puts[1]["Status"] != "SUCCESS" || s.fake.Object(maps+"live") == nil {
		t.Errorf("Delete was answered %v, the object is %v", s.puts[1], s.fake.Object(maps+"live"))
	}
}

// TestLateCreateIsUndone lets a creation's time be over while a webhook keeps one object back.
func TestLateCreateIsUndone(t *testing.T) {
	s := newStackFunction(t)
	s.Handler = kubectl.New(kubectl.Options{
		Connector: s.connector, Roles: kubectl.Roles{"*"}, HTTP: s.server.Client(), Log: newLog(s.log), Patience: kube.Patience{Transient: time.Minute},
	})
	refusal := kubetest.Answer{Status: http.StatusInternalServerError, Reason: "InternalError", Message: "failed calling webhook: no endpoints available"}
	s.fake.Answer("POST "+strings.TrimSuffix(maps, "/"), refusal)
	for range 100 {
		s.fake.Answer("POST "+strings.TrimSuffix(maps, "/"), refusal)
	}
	payload := event("Create", "KubernetesResource", `"ServiceTimeout":"14",`+manifest(t, "l", "a", "b"))
	payload = strings.Replace(payload, `{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"`, `{\"apiVersion\":\"v1\",\"kind\":\"Secret\"`, 1)
	if _, err := s.ask(t, ownARN, "", payload); err != nil {
		t.Fatal(err)
	}
	if reason, _ := s.puts[0]["Reason"].(string); !strings.Contains(reason, "1 of 2 objects had been created and are deleted again") || strings.Contains(reason, "left behind") {
		t.Errorf("answered %v", s.puts[0])
	}
}

// TestPatience counts the time that an unknown principal costs: who asks directly is told soon, and a
// stack, which may have made the access entry a moment ago, is waited for.
func TestPatience(t *testing.T) {
	s := newStackFunction(t)
	unauthorized := kubetest.Answer{Status: http.StatusUnauthorized, Reason: "Unauthorized", Message: "Unauthorized"}
	s.fake.Answer("GET "+shopWeb, unauthorized, unauthorized, unauthorized)
	client, err := kube.NewClient(s.fake.Config(), kube.Options{Reauthenticate: func() {}, Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.connector.client = client
	s.Handler = kubectl.New(kubectl.Options{
		Connector: s.connector, Roles: kubectl.Roles{"*"}, HTTP: s.server.Client(), Log: slog.New(slog.DiscardHandler),
	})
	query := event("Create", "KubernetesObjectValue", webReplicas)
	if _, code, message := s.invoke(t, query); code != "AccessDenied" || !strings.Contains(message, "access entry") {
		t.Errorf("asked directly: %s %s", code, message)
	}
	if _, err := s.ask(t, ownARN, "", query); err != nil || s.puts[0]["Status"] != "SUCCESS" {
		t.Errorf("asked by CloudFormation: %v, %v", err, s.puts)
	}
}

// TestStackWaitsForDeletion lets a finalizer take longer than a direct caller waits.
func TestStackWaitsForDeletion(t *testing.T) {
	for _, token := range []string{ownARN, frameworkARN} {
		s := newStackFunction(t)
		held := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","namespace":"shop","finalizers":["example.com/hold"],"deletionTimestamp":"2026-01-01T00:00:00Z"}}`
		gone := kubetest.Answer{Status: http.StatusNotFound, Reason: "NotFound", Message: "gone"}
		request := event("Delete", "KubernetesResource", manifest(t, "l", "held"))
		s.fake.Put(maps+"held", held)
		s.fake.Answer("DELETE "+maps+"held", kubetest.Answer{Status: http.StatusOK}, kubetest.Answer{Status: http.StatusOK})
		if _, code, _ := s.invoke(t, request); code != "InProgress" {
			t.Errorf("asked directly: %q", code)
		}
		time.AfterFunc(1300*time.Millisecond, func() { s.fake.Answer("GET "+maps+"held", gone) })
		if _, err := s.ask(t, token, "id", request); err != nil {
			t.Errorf("asked for a stack: %v", err)
		}
		for _, put := range s.puts {
			if put["Status"] != "SUCCESS" {
				t.Errorf("answered %v", put)
			}
		}
	}
}

// TestFrameworkIsAnsweredEarly compares what is left of the time: the framework has some to answer with.
func TestFrameworkIsAnsweredEarly(t *testing.T) {
	s := newStackFunction(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	query := event("Create", "KubernetesObjectValue", webReplicas)
	left := map[string]time.Duration{}
	for who, stack := range map[string]string{"caller": "", "framework": `"StackId":"arn:stack","ResponseURL":"https://example.com",`} {
		if _, err := s.Invoke(ctx, json.RawMessage("{"+stack+strings.TrimPrefix(query, "{"))); err != nil {
			t.Fatal(err)
		}
		deadline, _ := ctx.Deadline()
		left[who] = deadline.Sub(s.connector.deadline)
	}
	if left["framework"] < left["caller"]+10*time.Second {
		t.Errorf("kept: %v", left)
	}
}

// newLog returns a logger that writes there.
func newLog(to io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(to, nil)) }
