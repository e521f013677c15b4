package fargate_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"localcloud/kubernetes/internal/fargate"
)

func TestMatch(t *testing.T) {
	controlled := true
	profiles := []fargate.Profile{
		{Name: "apps", Selectors: []fargate.Selector{
			{Namespace: "apps-*", Labels: map[string]string{"tier": "we?"}},
			{Namespace: "default"},
		}},
		{Name: "everything", Selectors: []fargate.Selector{{Namespace: "*"}}},
	}
	cases := map[string]struct {
		reason    string
		namespace string
		pod       corev1.Pod
		want      string
	}{
		"Namespace":  {reason: "A selector without labels takes its namespace.", namespace: "default", want: "apps"},
		"Wildcards":  {reason: "Namespace and label values may hold wildcards.", namespace: "apps-one", pod: labelled("tier", "web"), want: "apps"},
		"OtherLabel": {reason: "All labels of a selector must be there; the next profile is asked then.", namespace: "apps-one", pod: labelled("tier", "db"), want: "everything"},
		"Named":      {reason: "A pod may choose among the profiles that match.", namespace: "default", pod: labelled(fargate.ProfileLabel, "everything"), want: "everything"},
		"NamedWrong": {reason: "A profile that does not match takes nobody, named or not.", namespace: "other", pod: labelled(fargate.ProfileLabel, "apps")},
		"Annotated": {
			reason: "CoreDNS of older clusters says that it belongs to machines.", namespace: "default",
			pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{fargate.ComputeType: "ec2"}}},
		},
		"DaemonSet": {
			reason: "DaemonSets are for machines.", namespace: "default",
			pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "DaemonSet", Controller: &controlled}}}},
		},
		"Bound": {reason: "A pod that has its node already is not scheduled.", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ""
			if profile := fargate.Match(profiles, tc.namespace, &tc.pod); profile != nil {
				got = profile.Name
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nMatch: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func labelled(key, value string) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{key: value}}}
}

func TestProfiles(t *testing.T) {
	cases := map[string]struct {
		reason  string
		content string
		want    []string
		fails   bool
	}{
		"None":    {reason: "A cluster without profiles has no file."},
		"Sorted":  {reason: "Of several profiles the first by name counts.", content: `[{"name": "b"}, {"name": "a"}]`, want: []string{"a", "b"}},
		"Damaged": {reason: "What cannot be read is not taken for no profiles.", content: `[`, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "fargate.json")
			if tc.content != "" {
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			profiles, err := fargate.File(path).Profiles()
			if (err != nil) != tc.fails {
				t.Fatalf("\n%s\nProfiles: error %v, want one: %v", tc.reason, err, tc.fails)
			}
			var got []string
			for _, p := range profiles {
				got = append(got, p.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nProfiles: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
