package kubectl_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
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
			f := newFunction(t)
			client, err := kube.NewClient(tc.config, kube.Options{Patience: 100 * time.Millisecond, Forget: func() {}})
			if err != nil {
				t.Fatal(err)
			}
			f.connector.client = client
			_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue",
				`"ObjectType":"configmaps","ObjectNamespace":"kube-system","JsonPath":"@","TimeoutSeconds":"0.6"`))
			if code != "Transient" || !strings.HasPrefix(message, "Timeout waiting for output from kubectl command") {
				t.Errorf("%s: %s %s", tc.reason, code, message)
			}
			if attempts := len(f.connector.asked); attempts < 2 || attempts > 3 {
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
