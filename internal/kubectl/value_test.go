package kubectl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// The stages read with a short timeout and leave the waiting to the state machine, which goes on
// after a fault that time cures (aws-traps.md, rows 5.1 and 5.2).
func TestQueryOfAClusterThatDoesNotAnswer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	fails := func(err error) *rest.Config {
		return &rest.Config{Host: "https://cluster", Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}}
	}
	cases := map[string]struct {
		reason string
		config *rest.Config
	}{
		"Refused":     {"nothing listens yet", &rest.Config{Host: "https://" + address}},
		"NoSuchHost":  {"the private zone is not there yet", fails(&net.DNSError{Err: "no such host", IsNotFound: true})},
		"ServerFails": {"the resolver is not ready", fails(&net.DNSError{Err: "server misbehaving", IsTemporary: true})},
		"Unreachable": {"the route is not there yet", fails(syscall.EHOSTUNREACH)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunction(t)
			client, err := kube.NewClient(tc.config, kube.Options{Patience: 100 * time.Millisecond, Forget: func() {}})
			if err != nil {
				t.Fatal(err)
			}
			f.connector.client = client
			_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue",
				`"ObjectType":"configmaps","ObjectNamespace":"kube-system","JsonPath":"@","TimeoutSeconds":"3"`))
			if code != "Transient" || !strings.HasPrefix(message, "Timeout waiting for output from kubectl command") {
				t.Errorf("%s: %s %s", tc.reason, code, message)
			}
			if attempts := len(f.connector.asked); attempts < 2 || attempts > 4 {
				t.Errorf("%s: %d attempts in the time given", tc.reason, attempts)
			}
		})
	}
}

func TestQueryThatWaitsInVain(t *testing.T) {
	busy := kubetest.Answer{Status: http.StatusTooManyRequests, Reason: "TooManyRequests", Message: "later"}
	cases := map[string]struct {
		reason, properties string
		answers            []kubetest.Answer
		code               string
	}{
		"Missing":  {"what is not there is an answer", `"ObjectName":"none","JsonPath":"@"`, nil, "Failed"},
		"Index":    {"so is a list that is too short", `"ObjectName":"web","JsonPath":".metadata.labels[7]"`, nil, "Failed"},
		"Throttle": {"no answer is none", `"ObjectName":"web","JsonPath":"@"`, []kubetest.Answer{busy, busy, busy, busy}, "Throttled"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			f.fake.Answer("GET "+shopWeb, tc.answers...)
			_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue",
				`"ObjectType":"deploy","ObjectNamespace":"shop","TimeoutSeconds":"0",`+tc.properties))
			if code != tc.code {
				t.Errorf("%s: %s %s, want %s", tc.reason, code, message, tc.code)
			}
			if strings.Contains(message, "café") {
				t.Errorf("the message quotes the object: %s", message)
			}
		})
	}
}

// The largest environment that a request can ask for: 1,000 nodes, and pods to go with them. What the
// stages ask for is answered; everything is not, and that is said in a way that a stage understands.
func TestListsOfALargeCluster(t *testing.T) {
	f := newFunction(t)
	images := `{"names":["` + strings.Repeat("x", 9000) + `"]}`
	for i := range 6000 {
		name, namespace := fmt.Sprint("p-", i), "shop"
		if i >= 5000 {
			namespace = "other"
		}
		f.fake.Put("/api/v1/namespaces/"+namespace+"/services/"+name, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"`+name+`","namespace":"`+namespace+`"},
			"spec":{"volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"data"}},{"name":"b"}]},"status":{"images":[`+images+`]}}`)
	}
	list := `"ObjectType":"services","ObjectNamespace":"shop","JsonPath":"@","TimeoutSeconds":"600","ErrorDetails":"true"`
	fields := `"Fields":"{\"kind\":{},\"metadata\":{\"name\":{}},\"spec\":{\"volumes\":{\"persistentVolumeClaim\":{}}}}"`
	answer, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", list+","+fields))
	if code != "" || len(answer) > 1<<20 {
		t.Fatalf("%d bytes, %s %s", len(answer), code, message)
	}
	var data struct{ Data struct{ Value string } }
	var items struct{ Items []map[string]any }
	if err := errors.Join(json.Unmarshal([]byte(answer), &data), json.Unmarshal([]byte(data.Data.Value), &items)); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"kind": "Service", "metadata": map[string]any{"name": "p-0"},
		"spec": map[string]any{"volumes": []any{map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "data"}}, map[string]any{}}},
	}
	if diff := cmp.Diff(want, items.Items[0]); diff != "" || len(items.Items) != 5000 {
		t.Errorf("%d objects, the first one (-want +got):\n%s", len(items.Items), diff)
	}
	for namespace, want := range map[string]string{"shop": "24 MiB", "other": "that Lambda returns"} {
		_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", strings.Replace(list, `"shop"`, `"`+namespace+`"`, 1)))
		var failure protocol.Failure
		if err := json.Unmarshal([]byte(message), &failure); err != nil || !failure.TooLarge || code == "" || !strings.Contains(failure.Message, want) {
			t.Errorf("%s: %s %s", namespace, code, message)
		}
	}
}

func TestFieldsOfOneObject(t *testing.T) {
	f := newFunction(t)
	query := `"ObjectType":"deploy","ObjectName":"web","ObjectNamespace":"shop","JsonPath":"@","TimeoutSeconds":0,"Fields":`
	if answer, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", query+`{"spec":{}}`)); answer != `{"Data":{"Value":"{\"spec\":{\"replicas\":1}}"}}` {
		t.Errorf("got %s, %s %s", answer, code, message)
	}
	for _, wrong := range []string{`"name"`, `{"spec":true}`, `["spec"]`} {
		if _, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", query+wrong)); code != "InvalidRequest" || !strings.Contains(message, "Fields") {
			t.Errorf("%s: %s %s", wrong, code, message)
		}
	}
}
