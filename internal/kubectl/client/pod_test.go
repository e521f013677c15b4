package client_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

func TestPod(t *testing.T) {
	f := &function{payload: `{"Data": {"Value": "{\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"name\":\"b\"},\"spec\":{\"nodeName\":\"n\"},\"status\":{\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"True\"}]}}]}"}}`}
	cases := map[string]struct {
		reason       string
		found, ready bool
		node         string
	}{
		"a": {"a new pod has no node and no condition", true, false, ""},
		"b": {"one that is ready", true, true, "n"},
		"c": {"one that is not there", false, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pod, found, err := f.client().Pod(t.Context(), "kube-system", name)
			if err != nil || found != tc.found || pod.Ready() != tc.ready || pod.Spec.NodeName != tc.node {
				t.Errorf("%s: %+v, %t, %v", tc.reason, pod, found, err)
			}
		})
	}
}

// The kubectl function answers a deletion with null (kubectl-protocol.md, section 1).
func TestDelete(t *testing.T) {
	f := &function{payload: `null`}
	if err := f.client().Delete(t.Context(), client.Object{"kind": "Pod"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"RequestType": "Delete", "ResourceType": "Custom::AWSCDK-EKS-KubernetesResource",
		"ResourceProperties": map[string]any{
			"ClusterName": "opa-dev-cluster", "RoleArn": "arn:admin", "ErrorDetails": "true", "Manifest": `[{"kind":"Pod"}]`,
		},
	}
	if diff := cmp.Diff(want, f.request(t)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
