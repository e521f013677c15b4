package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"localcloud/kubernetes/internal/identity"
)

func TestMutation(t *testing.T) {
	const role = "arn:aws:iam::111111111111:role/r"
	client := fake.NewClientset(
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "with", Annotations: map[string]string{identity.Annotation: role}}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "default"}},
	)
	cases := map[string]struct {
		reason  string
		account string
		env     []corev1.EnvVar
		want    string
	}{
		"Annotated": {reason: "The pod is given the role of its service account.", account: "with", want: role},
		"Own":       {reason: "What the pod says itself wins.", account: "with", env: []corev1.EnvVar{{Name: identity.RoleVariable, Value: "own"}}, want: "own"},
		"Plain":     {reason: "No annotation, no identity; no name means default.", account: ""},
		"Missing":   {reason: "A missing account is for the API server to refuse.", account: "missing"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{ServiceAccountName: tc.account, Containers: []corev1.Container{{Env: tc.env}}}}
			changed, err := identity.Mutation(client, "us-east-1").Mutate(t.Context(), "n", pod)
			if err != nil {
				t.Fatal(err)
			}
			if changed != (tc.want != "") {
				t.Errorf("\n%s\nMutate: changed %v", tc.reason, changed)
			}
			got := ""
			for _, v := range pod.Spec.Containers[0].Env {
				if v.Name == identity.RoleVariable {
					got = v.Value
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nrole: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
