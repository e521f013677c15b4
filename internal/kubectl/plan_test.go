package kubectl_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

func TestPlan(t *testing.T) {
	f := newFunction(t)
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, "l", "a")))
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, "other", "b")))
	before := f.fake.Object(maps + "b")["metadata"].(map[string]any)["resourceVersion"]
	f.fake.Requests()
	answer, code, message := f.invoke(t, event("Plan", "KubernetesResource", manifest(t, "l", "a", "b", "c")))
	want := `{"Data":{"Value":"[{\"object\":\"ConfigMap shop/a\",\"change\":\"unchanged\"},` +
		`{\"object\":\"ConfigMap shop/b\",\"change\":\"updated\",\"details\":[\"metadata.labels.l\"]},{\"object\":\"ConfigMap shop/c\",\"change\":\"created\"}]"}}`
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s%s %s", diff, code, message)
	}
	if f.fake.Object(maps+"c") != nil || f.fake.Object(maps + "b")["metadata"].(map[string]any)["resourceVersion"] != before {
		t.Error("a plan wrote into the cluster")
	}
}

func TestPlanRefusals(t *testing.T) {
	forbidden := kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden", Message: "no"}
	f := newFunction(t)
	cases := map[string]struct{ reason, payload, code, says string }{
		"Patch":     {"a patch has no dry run here", event("Plan", "KubernetesPatch", `"ResourceName":"deployment/web"`), "InvalidRequest", "Plan for Custom::AWSCDK-EKS-KubernetesPatch"},
		"Value":     {"reading needs no plan", event("Plan", "KubernetesObjectValue", `"ObjectType":"pods"`), "InvalidRequest", "Plan for"},
		"Manifest":  {"what cannot be applied cannot be planned", event("Plan", "KubernetesResource", `"Manifest":"{"`), "InvalidRequest", "Manifest"},
		"Forbidden": {"a dry run needs the rights of the apply", event("Plan", "KubernetesResource", manifest(t, "l", "c")), "AccessDenied", "ConfigMap shop/c"},
	}
	f.fake.Answer("PATCH "+maps+"c", forbidden)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, code, message := f.invoke(t, tc.payload)
			if code != tc.code || !strings.Contains(message, tc.says) {
				t.Errorf("%s: %s %s", tc.reason, code, message)
			}
		})
	}
}
