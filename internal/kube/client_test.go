package kube_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

const web = "/api/v1/namespaces/shop/configmaps/web"

func newClient(t *testing.T, config *rest.Config) *kube.Client {
	t.Helper()
	client, err := kube.NewClient(config, kube.Options{Patience: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestApplyTwice(t *testing.T) {
	fake := kubetest.NewFake(t)
	client := newClient(t, fake.Config())
	manifest := "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop, creationTimestamp: null}, data: {a: b, c: null}}"
	apply(t, client, kube.Created, manifest)
	fake.Requests()
	apply(t, client, kube.Unchanged, manifest)
	if diff := cmp.Diff([]string{"GET " + web}, fake.Requests()); diff != "" {
		t.Errorf("requests of the second apply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"a": "b"}, fake.Object(web)["data"]); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// A controller writes to an object between two requests, as the one of Deployments does to a new one.
func TestPlanBesideAnotherWriter(t *testing.T) {
	fake := kubetest.NewFake(t)
	fake.Put(web, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}, "data": {"a": "b"}}`)
	writes := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch && writes == 0 {
			writes++
			fake.Put(web, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "annotations": {"revision": "1"}}, "data": {"a": "b"}}`)
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client := newClient(t, &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1})
	planned, err := client.Plan(t.Context(), object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop}, data: {a: b, c: d}}"), kube.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"data.c"}, planned.Details); diff != "" || writes != 1 {
		t.Errorf("what the plan changes, beside %d writes of others (-want +got):\n%s", writes, diff)
	}
}

func TestRetries(t *testing.T) {
	forbidden := kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden", Message: "no"}
	webhook := kubetest.Answer{Status: http.StatusInternalServerError, Reason: "InternalError", Message: "no endpoints available for service"}
	schema := kubetest.Answer{Status: http.StatusInternalServerError, Message: "failed to create typed patch object: .x: field not declared in schema"}
	busy := kubetest.Answer{Status: http.StatusTooManyRequests, Reason: "TooManyRequests", Message: "later"}
	cases := map[string]struct {
		reason   string
		answers  []kubetest.Answer
		code     fault.Code
		requests int
	}{
		"Passing":   {"what passes is tried again", []kubetest.Answer{webhook, busy}, "", 3},
		"Lasting":   {"patience ends", []kubetest.Answer{webhook, webhook, webhook, webhook, webhook, webhook}, fault.Transient, 0},
		"Forbidden": {"a refusal is final", []kubetest.Answer{forbidden}, fault.AccessDenied, 1},
		"Schema":    {"a manifest that is wrong is final though a 500", []kubetest.Answer{schema}, fault.Failed, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake := kubetest.NewFake(t)
			fake.Put(web, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}`)
			fake.Answer("GET "+web, tc.answers...)
			_, err := newClient(t, fake.Config()).Get(t.Context(), "cm", "shop", "web")
			if got := fault.CodeOf(err); got != tc.code {
				t.Errorf("%s: code %q, want %q: %v", tc.reason, got, tc.code, err)
			}
			if got := len(fake.Requests()); tc.requests > 0 && got != tc.requests {
				t.Errorf("%s: %d requests, want %d", tc.reason, got, tc.requests)
			}
		})
	}
}

func TestOtherAuthorityIsStale(t *testing.T) {
	forgotten := false
	config := &rest.Config{Host: kubetest.NewFake(t).Server.URL}
	client, err := kube.NewClient(config, kube.Options{Forget: func() { forgotten = true }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Get(t.Context(), "cm", "shop", "web")
	if !errors.Is(err, kube.ErrStale) || fault.CodeOf(err) != fault.Transient || !forgotten {
		t.Errorf("an API server of another authority: forgotten %t, %v", forgotten, err)
	}
}

func TestCreateWhoseAnswerWasLost(t *testing.T) {
	fake := kubetest.NewFake(t)
	client := newClient(t, fake.Config())
	manifest := object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop}}")
	if _, err := client.Create(t.Context(), manifest, kube.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The object is there, and the first answer to the second caller is lost.
	fake.Answer("POST /api/v1/namespaces/shop/configmaps", kubetest.Answer{Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"})
	if got, err := client.Create(t.Context(), manifest, kube.WriteOptions{}); err != nil || got != kube.Created {
		t.Errorf("Create: %s, %v", got, err)
	}
}

func TestDeleteSendsAllFirst(t *testing.T) {
	fake := kubetest.NewFake(t)
	client := newClient(t, fake.Config())
	for _, name := range []string{"a", "b"} {
		fake.Put("/api/v1/namespaces/shop/configmaps/"+name, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","namespace":"shop"}}`)
	}
	gone := "/api/v1/namespaces/shop/configmaps/a"
	fake.Answer("GET "+gone, kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden"})
	results := client.Delete(t.Context(), []*unstructured.Unstructured{
		object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}"),
		object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop}}"),
		object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: none, namespace: shop}}"),
	}, time.Second)
	want := []kube.Result{
		{Object: "ConfigMap shop/a", Change: kube.Deleted},
		{Object: "ConfigMap shop/b", Change: kube.Deleted},
		{Object: "ConfigMap shop/none", Change: kube.Unchanged},
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	other := "/api/v1/namespaces/shop/configmaps/b"
	requests := []string{
		"DELETE " + gone, "DELETE " + other, "DELETE /api/v1/namespaces/shop/configmaps/none", "GET " + gone, "GET " + other,
	}
	if diff := cmp.Diff(requests, fake.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestBadObjects(t *testing.T) {
	cases := map[string]struct {
		reason string
		object map[string]any
		code   fault.Code
	}{
		"NoKind":      {"without a kind there is no resource", map[string]any{"apiVersion": "v1"}, fault.InvalidRequest},
		"NoName":      {"apply needs a name", map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}, fault.InvalidRequest},
		"OddMetadata": {"metadata may be anything in a request", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"}, fault.InvalidRequest},
		"OddName":     {"a number is no name", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": 7}}, fault.InvalidRequest},
		"OddSpace":    {"nor is it no namespace", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": 7}}, fault.InvalidRequest},
		"OddAnnotation": {
			"left out, it would take the others with it",
			map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": map[string]any{"internal": true, "b": "c"}}},
			fault.InvalidRequest,
		},
		"OddAnnotations": {
			"as above", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": "b"}},
			fault.InvalidRequest,
		},
		"UnknownKind": {"the kind is not served", map[string]any{"apiVersion": "v9", "kind": "Ghost", "metadata": map[string]any{"name": "g"}}, fault.Failed},
	}
	client := newClient(t, kubetest.NewFake(t).Config())
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := client.Apply(t.Context(), &unstructured.Unstructured{Object: tc.object}, kube.WriteOptions{})
			if got := fault.CodeOf(err); got != tc.code {
				t.Errorf("%s: code %q, want %q: %v", tc.reason, got, tc.code, err)
			}
		})
	}
}

func TestOddAnnotationIsNoneOfDelete(t *testing.T) {
	odd := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": map[string]any{"internal": true}}}
	client := newClient(t, kubetest.NewFake(t).Config())
	object := &unstructured.Unstructured{Object: odd}
	if _, err := client.Create(t.Context(), object, kube.WriteOptions{}); fault.CodeOf(err) != fault.InvalidRequest || strings.Contains(err.Error(), "true") {
		t.Errorf("Create: %v", err)
	}
	if got := client.Delete(t.Context(), []*unstructured.Unstructured{object}, 0); got[0].Err != nil {
		t.Errorf("what is to go needs none: %v", got[0].Err)
	}
}

func TestListsAreBounded(t *testing.T) {
	fake := kubetest.NewFake(t)
	for i := range 5001 {
		name := fmt.Sprint(i)
		fake.Put("/api/v1/namespaces/shop/configmaps/"+name, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","namespace":"shop"}}`)
	}
	_, err := newClient(t, fake.Config()).List(t.Context(), "cm", "shop", "", nil)
	if f := fault.As(err); f.Code != fault.InvalidRequest || !strings.Contains(f.Message, "more than 5000") || !strings.Contains(f.Next, "a selector") {
		t.Errorf("List: %v", err)
	}
}

// What a mask drops neither stays in memory nor counts: 600 nodes with the names of their images are more
// than a request may list.
func TestListsAreReduced(t *testing.T) {
	fake := kubetest.NewFake(t)
	image := `{"names":["` + strings.Repeat("x", 50_000) + `"]}`
	for i := range 600 {
		name := fmt.Sprint("n", i)
		fake.Put("/api/v1/namespaces/shop/configmaps/"+name, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","uid":"u"},
			"status":{"conditions":[{"type":"Ready","status":"True","message":"m"},{"type":"Disk","status":"False"}],"images":[`+image+`]}}`)
	}
	mask := kube.Mask{"metadata": {"name": nil}, "status": {"conditions": {"type": nil, "status": nil}}, "spec": nil}
	items, err := newClient(t, fake.Config()).List(t.Context(), "cm", "shop", "", mask)
	if err != nil || len(items) != 600 {
		t.Fatalf("List: %d, %v", len(items), err)
	}
	want := map[string]any{
		"metadata": map[string]any{"name": "n0"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "Disk", "status": "False"},
		}},
	}
	if diff := cmp.Diff(want, items[0].Object); diff != "" {
		t.Errorf("the first one (-want +got):\n%s", diff)
	}
	if _, err := newClient(t, fake.Config()).List(t.Context(), "cm", "shop", "", nil); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("whole: %v", err)
	}
	if _, err := newClient(t, fake.Config()).List(t.Context(), "cm", "shop", "", kube.Mask{"status": nil}); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("a mask that keeps what is large: %v", err)
	}
}

// What a request lists stays in memory, so all its lists are bounded together.
func TestListsOfARequestAreBounded(t *testing.T) {
	fake := kubetest.NewFake(t)
	for path, kind := range map[string]string{"configmaps": "ConfigMap", "secrets": "Secret"} {
		fake.Put("/api/v1/namespaces/shop/"+path+"/large", `{"apiVersion":"v1","kind":"`+kind+`","metadata":{"name":"large","namespace":"shop"},"data":{"a":"`+strings.Repeat("x", 13<<20)+`"}}`)
	}
	client := newClient(t, fake.Config())
	for range 2 {
		request := client.With(kube.Patience{})
		if items, err := request.List(t.Context(), "cm", "shop", "", nil); err != nil || len(items) != 1 {
			t.Fatalf("the first list: %d, %v", len(items), err)
		}
		_, err := request.List(t.Context(), "secrets", "shop", "", nil)
		if f := fault.As(err); f.Code != fault.InvalidRequest || !strings.Contains(f.Message, "list secrets: ") || !strings.Contains(f.Message, "24 MiB") || !strings.Contains(f.Next, "a namespace") {
			t.Errorf("the second list: %v", err)
		}
		// What is not kept is not counted.
		if _, err := request.Get(t.Context(), "secrets", "shop", "large"); err != nil {
			t.Error(err)
		}
	}
}

// A dry run that fails says nothing of an object, and is not waited for.
func TestDrift(t *testing.T) {
	const path = "/api/v1/namespaces/shop/configmaps/a"
	fake := kubetest.NewFake(t)
	client := newClient(t, fake.Config())
	wanted := object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}, data: {k: v}}")
	if _, err := client.Drift(t.Context(), wanted); !apierrors.IsNotFound(err) {
		t.Errorf("of what is gone: %v", err)
	}
	cases := map[string]struct {
		reason, live string
		answer       *kubetest.Answer
		want         []string
		requests     int
	}{
		"Same":    {"nothing is asked", `{"k":"v","other":"kept"}`, nil, nil, 1},
		"Changed": {"a dry run tells", `{"k":"w"}`, nil, []string{"data.k"}, 2},
		"Webhook": {"which a webhook may refuse", `{"k":"w"}`, &kubetest.Answer{Status: http.StatusInternalServerError, Message: "failed calling webhook"}, nil, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake.Put(path, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":`+tc.live+`}`)
			if tc.answer != nil {
				fake.Answer("PATCH "+path, *tc.answer)
			}
			fake.Requests()
			got, err := client.Drift(t.Context(), wanted)
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
			if asked := fake.Requests(); len(asked) != tc.requests {
				t.Errorf("%s: %s", tc.reason, asked)
			}
		})
	}
}
