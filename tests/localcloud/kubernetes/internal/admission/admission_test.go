package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"localcloud/kubernetes/internal/admission"
)

func TestHandler(t *testing.T) {
	label := func(_ context.Context, namespace string, pod *corev1.Pod) (bool, error) {
		pod.Labels = map[string]string{"from": namespace}
		return true, nil
	}
	const review = `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": {"uid": "u", "namespace": "space", "object": {"spec": {"containers": [{"name": "c"}]}}}}`
	cases := map[string]struct {
		reason string
		mutate func(context.Context, string, *corev1.Pod) (bool, error)
		body   string
		status int
		want   string
	}{
		"Changed":   {reason: "A change becomes a patch.", mutate: label, body: review, status: http.StatusOK, want: `{"op":"add","path":"/metadata/labels","value":{"from":"space"}}`},
		"Unchanged": {reason: "No change, no patch.", mutate: func(context.Context, string, *corev1.Pod) (bool, error) { return false, nil }, body: review, status: http.StatusOK},
		"Failed": {
			reason: "A mutation that fails must not keep pods from being created.",
			mutate: func(context.Context, string, *corev1.Pod) (bool, error) { return true, errors.New("boom") }, body: review, status: http.StatusOK,
		},
		"Nonsense": {reason: "Only reviews are answered.", mutate: label, body: `{}`, status: http.StatusBadRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "/m", strings.NewReader(tc.body))
			recorder := httptest.NewRecorder()
			admission.Handler(admission.Mutation{Name: "m", Mutate: tc.mutate}).ServeHTTP(recorder, request)
			if diff := cmp.Diff(tc.status, recorder.Code); diff != "" {
				t.Fatalf("\n%s\nstatus: -want, +got:\n%s", tc.reason, diff)
			}
			if tc.status != http.StatusOK {
				return
			}
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Response == nil || !got.Response.Allowed || got.Response.UID != "u" {
				t.Fatalf("\n%s\nnot allowed under its id: %s", tc.reason, recorder.Body)
			}
			if (tc.want == "") != (got.Response.Patch == nil) || !strings.Contains(string(got.Response.Patch), tc.want) {
				t.Errorf("\n%s\npatch: got %s, want %s", tc.reason, got.Response.Patch, tc.want)
			}
		})
	}
}
