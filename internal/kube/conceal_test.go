package kube_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

// planted is in what is sent, and may be in no message.
const planted = "hunter2"

func TestClassifyQuotesNoValue(t *testing.T) {
	invalid := func(kind string, errs ...*field.Error) error {
		return apierrors.NewInvalid(schema.GroupKind{Kind: kind}, "s", errs)
	}
	at := field.NewPath("spec", "x")
	cases := map[string]struct {
		reason string
		err    error
		want   string
	}{
		"Text":      {"the field and what is wrong with it stay", invalid("ConfigMap", field.Invalid(at, planted, "must be lower case, not \"hunter2\"")), `do it: ConfigMap "s" is invalid: spec.x: Invalid value: must be lower case, not the value`},
		"Number":    {"a number is a value", invalid("Pod", field.Invalid(at, 4711, "must be small")), `do it: Pod "s" is invalid: spec.x: Invalid value: must be small`},
		"Object":    {"what follows an object may repeat it", invalid("Pod", field.Invalid(at, map[string]string{"a": planted}, "not "+planted)), `do it: Pod "s" is invalid: spec.x: Invalid value`},
		"Required":  {"there is no value", invalid("Pod", field.Required(at, "name it")), `do it: Pod "s" is invalid: spec.x: Required value: name it`},
		"TooLong":   {"the limit stays", invalid("Pod", field.TooLong(at, planted, 3)), `do it: Pod "s" is invalid: spec.x: Too long: may not be more than 3 bytes`},
		"Several":   {"all are reported", invalid("Pod", field.Required(at, ""), field.Duplicate(at, planted)), `do it: Pod "s" is invalid: spec.x: Required value, spec.x: Duplicate value`},
		"Secret":    {"nothing of a Secret is repeated", invalid("Secret", field.Invalid(at, planted, planted)), "do it: the API server answered 422 Invalid because of spec.x"},
		"Opaque":    {"a status without causes is not taken apart", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 422, Reason: "Invalid", Message: "x: " + planted}}, "do it: the API server answered 422 Invalid"},
		"Typed":     {"server-side apply quotes what it cannot read", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Message: "failed to create typed patch object (shop/s; /v1, Kind=Secret): .data.a: expected string, got &value.valueUnstructured{Value:\"hunter2\"}"}}, "do it: failed to create typed patch object (shop/s; /v1, Kind=Secret): .data.a: expected string, another type was sent"},
		"Wrapped":   {"what others said of it stays", fmt.Errorf("chart a: %w", invalid("Pod", field.Invalid(at, planted, "bad"))), `do it: chart a: Pod "s" is invalid: spec.x: Invalid value: bad`},
		"Forbidden": {"a refusal says who may not do what", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "s", errors.New("no")), `do it: pods "s" is forbidden: no`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := kube.Classify(tc.err, "do it")
			if got := fault.As(err).Message; got != tc.want {
				t.Errorf("%s:\n got %s\nwant %s", tc.reason, got, tc.want)
			}
			if strings.Contains(err.Error(), planted) {
				t.Errorf("%s: the value is in %v", tc.reason, err)
			}
			if got, want := apierrors.ReasonForError(err), apierrors.ReasonForError(tc.err); got != want {
				t.Errorf("%s: reason %q, want %q", tc.reason, got, want)
			}
		})
	}
}

func TestNothingOfASecretIsQuoted(t *testing.T) {
	const path = "/api/v1/namespaces/shop/secrets/s"
	// An admission webhook's refusal has no details.
	refusal := kubetest.Answer{Status: http.StatusBadRequest, Reason: "BadRequest", Message: "admission webhook denied the request: " + planted}
	secret := object(t, "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, stringData: {a: "+planted+"}}")
	fake := kubetest.NewFake(t)
	client := newClient(t, fake.Config())
	for _, request := range []string{"PATCH " + path, "POST /api/v1/namespaces/shop/secrets", "GET " + path} {
		fake.Answer(request, refusal)
	}
	_, read := client.Get(t.Context(), "secret", "shop", "s")
	_, created := client.Create(t.Context(), secret, kube.WriteOptions{})
	_, applied := client.Apply(t.Context(), secret, kube.WriteOptions{})
	for what, err := range map[string]error{"Get": read, "Create": created, "Apply": applied} {
		if !apierrors.IsBadRequest(err) || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestClassifyNetwork(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	cases := map[string]struct {
		reason string
		err    error
		stale  bool
	}{
		"NoSuchHost":  {"a private endpoint's name comes after the cluster (aws-traps.md, row 5.2)", dial(&net.DNSError{Err: "no such host", IsNotFound: true}), true},
		"ServerFails": {"the resolver is not ready", dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), false},
		"Timeout":     {"the endpoint does not answer yet (row 5.1)", dial(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), false},
		"Refused":     {"as above", dial(syscall.ECONNREFUSED), false},
		"Unreachable": {"a route may be on its way", dial(syscall.EHOSTUNREACH), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := kube.Classify(tc.err, "get it")
			if fault.CodeOf(err) != fault.Transient || errors.Is(err, kube.ErrStale) != tc.stale {
				t.Errorf("%s: stale %t, %v", tc.reason, errors.Is(err, kube.ErrStale), err)
			}
		})
	}
}
