package kubectl_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

const maps = "/api/v1/namespaces/shop/configmaps/"

// manifest makes a manifest property of ConfigMaps in the namespace shop, each with label as CDK sets it.
func manifest(t *testing.T, label string, names ...string) string {
	t.Helper()
	var objects []any
	for _, name := range names {
		objects = append(objects, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
			"name": name, "namespace": "shop", "labels": map[string]any{label: ""},
		}})
	}
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	property, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return `"Manifest":` + string(property)
}

func TestCreateAndOverwrite(t *testing.T) {
	f := newFunction(t)
	if _, code, message := f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a"))); code != "" {
		t.Fatal(code, message)
	}
	if _, code, _ := f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a"))); code != "Conflict" {
		t.Errorf("creating what exists: %q, want Conflict", code)
	}
	for _, overwrite := range []string{`true`, `"true"`, `"True"`} {
		if _, code, message := f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a")+`,"Overwrite":`+overwrite)); code != "" {
			t.Errorf("Overwrite %s: %s %s", overwrite, code, message)
		}
	}
	if _, code, _ := f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a")+`,"Overwrite":"false"`)); code != "Conflict" {
		t.Errorf(`Overwrite "false" counts as true`)
	}
}

func TestGoesOnAfterFailures(t *testing.T) {
	f := newFunction(t)
	forbidden := kubetest.Answer{Status: http.StatusForbidden, Reason: "Forbidden", Message: "not yours"}
	f.fake.Answer("GET "+maps+"a", forbidden)
	f.fake.Answer("GET "+maps+"c", forbidden)
	_, code, message := f.invoke(t, event("Update", "KubernetesResource", manifest(t, "l", "a", "b", "c")))
	if code != "AccessDenied" || !strings.Contains(message, "shop/a") || !strings.Contains(message, "shop/c") {
		t.Errorf("%s %s", code, message)
	}
	if f.fake.Object(maps+"b") == nil {
		t.Error("the object between the failures was not applied")
	}
}

func TestReportChanges(t *testing.T) {
	f := newFunction(t)
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, "l", "a")))
	answer, code, message := f.invoke(t, event("Update", "KubernetesResource", manifest(t, "l", "a", "b")+`,"ReportChanges":"true"`))
	want := `{"Data":{"Value":"[{\"object\":\"ConfigMap shop/a\",\"change\":\"unchanged\"},{\"object\":\"ConfigMap shop/b\",\"change\":\"created\"}]"}}`
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s%s %s", diff, code, message)
	}
}

func TestPrune(t *testing.T) {
	const label = "aws.cdk.eks/prune-c8"
	f := newFunction(t)
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, label, "a", "b")))
	f.fake.Put(maps+"c", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"shop","labels":{"aws.cdk.eks/prune-other":""}}}`)
	update := event("Update", "KubernetesResource", manifest(t, label, "a")+`,"PruneLabel":"`+label+`"`)
	update = fmt.Sprintf(`%s,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",%s}}`,
		strings.TrimSuffix(update, "}"), manifest(t, label, "a", "b", "c", "gone"))
	if _, code, message := f.invoke(t, update); code != "" {
		t.Fatal(code, message)
	}
	got := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		got[name] = f.fake.Object(maps+name) != nil
	}
	if diff := cmp.Diff(map[string]bool{"a": true, "b": false, "c": true}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// What is held back by a finalizer is not to be waited for: kubectl does not either, and a rollback would not
// keep the object.
func TestPruneOfHeldObject(t *testing.T) {
	const label = "aws.cdk.eks/prune-c8"
	f := newFunction(t)
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, label, "a")))
	f.fake.Put(maps+"held", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","namespace":"shop","labels":{"`+label+`":""},
		"finalizers":["example.com/hold"],"deletionTimestamp":"2026-01-01T00:00:00Z"}}`)
	f.fake.Answer("DELETE "+maps+"held", kubetest.Answer{Status: http.StatusOK})
	update := event("Update", "KubernetesResource", manifest(t, label, "a")+`,"ReportChanges":true,"PruneLabel":"`+label+`"`)
	answer, code, message := f.invoke(t, fmt.Sprintf(`%s,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",%s}}`,
		strings.TrimSuffix(update, "}"), manifest(t, label, "a", "held")))
	if want := `{\"object\":\"ConfigMap shop/held\",\"change\":\"deleted\"}`; !strings.Contains(answer, want) {
		t.Errorf("answer %s %s %s, want it to have %s", answer, code, message, want)
	}
}

func TestDeleteWithoutCluster(t *testing.T) {
	f := newFunction(t)
	f.connector.client, f.connector.err = nil, kube.ErrClusterNotFound
	for _, request := range []string{
		event("Delete", "KubernetesResource", manifest(t, "l", "a")),
		event("Delete", "KubernetesPatch", `"ResourceName":"cm/a","ApplyPatchJson":"{}","RestorePatchJson":"{}"`),
		event("Delete", "KubernetesObjectValue", `"ObjectType":"cm"`),
	} {
		if answer, code, message := f.invoke(t, request); answer != "null" {
			t.Errorf("%s %s", code, message)
		}
	}
}

func TestPatchAndRestore(t *testing.T) {
	f := newFunction(t)
	patch := func(name string) string {
		return `"ResourceName":"configmaps/` + name + `","ResourceNamespace":"shop","PatchType":"merge",
			"ApplyPatchJson":"{\"data\":{\"a\":\"new\"}}","RestorePatchJson":"{\"data\":{\"a\":\"old\"}}"`
	}
	f.invoke(t, event("Update", "KubernetesResource", manifest(t, "l", "one", "two")))
	value := func(name string) any {
		data, _ := f.fake.Object(maps + name)["data"].(map[string]any)
		return data["a"]
	}
	f.invoke(t, event("Create", "KubernetesPatch", patch("one")))
	if value("one") != "new" {
		t.Errorf("Create: %v", value("one"))
	}
	moved := strings.TrimSuffix(event("Update", "KubernetesPatch", patch("two")), "}") +
		`,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",` + patch("one") + `}}`
	f.invoke(t, moved)
	if value("one") != "old" || value("two") != "new" {
		t.Errorf("Update of another object: %v, %v", value("one"), value("two"))
	}
	f.invoke(t, event("Delete", "KubernetesPatch", patch("two")))
	if value("two") != "old" {
		t.Errorf("Delete: %v", value("two"))
	}
	if _, code, message := f.invoke(t, event("Delete", "KubernetesPatch", patch("none"))); code != "" {
		t.Errorf("Delete of nothing: %s %s", code, message)
	}
	ghost := strings.Replace(patch("none"), "configmaps/", "ghosts.example.org/", 1)
	if _, code, message := f.invoke(t, event("Delete", "KubernetesPatch", ghost)); code != "" {
		t.Errorf("Delete of what is gone with its kind: %s %s", code, message)
	}
	if _, code, _ := f.invoke(t, event("Create", "KubernetesPatch", ghost)); code != "Failed" {
		t.Errorf("Create of a kind that does not exist: %q", code)
	}
}

func TestRoles(t *testing.T) {
	cases := map[string]struct {
		list, role string
		want       bool
	}{
		"Listed":     {"arn:aws:iam::1:role/a-*", "arn:aws:iam::1:role/a-b", true},
		"Other":      {"arn:aws:iam::1:role/a-*", "arn:aws:iam::1:role/b", false},
		"Middle":     {"arn:aws:iam::1:role/*-eks-resources-*", "arn:aws:iam::1:role/shop-eks-resources-role", true},
		"Overlap":    {"ab*ba", "aba", false},
		"TwoStars":   {"a*b*c", "a-b-c", true},
		"Exact":      {"x, arn:aws:iam::1:role/a", "arn:aws:iam::1:role/a", true},
		"ExactOnly":  {"arn:aws:iam::1:role/a", "arn:aws:iam::1:role/ab", false},
		"EmptyList":  {" , ", "arn:aws:iam::1:role/a", false},
		"NoList":     {"", "arn:aws:iam::1:role/a", false},
		"NoListOwn":  {"", "", true},
		"OptOut":     {"*", "arn:aws:iam::1:role/a", true},
		"OwnRole":    {"arn:aws:iam::1:role/a", "", true},
		"NoWildcard": {"arn:aws:iam::1:role/?", "arn:aws:iam::1:role/a", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := kubectl.ParseRoles(tc.list).Check(tc.role); (err == nil) != tc.want {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

// Encoders that write ASCII write an emoji as two escapes, which JSON has and YAML has not.
func TestEscapedProperties(t *testing.T) {
	const emoji = `{\"data\":{\"k\":\"\\ud83d\\ude00\"}}`
	f := newFunction(t)
	f.fake.Put(maps+"a", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`)
	patch := `"ResourceName":"cm/a","ResourceNamespace":"shop","PatchType":"merge","RestorePatchJson":"{}","ApplyPatchJson":"` + emoji + `"`
	if _, code, message := f.invoke(t, event("Create", "KubernetesPatch", patch)); code != "" {
		t.Errorf("a patch: %s %s", code, message)
	}
	if diff := cmp.Diff(map[string]any{"k": "😀"}, f.fake.Object(maps + "a")["data"]); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	f.connector.err = fault.New(fault.Conflict, "as far as the cluster")
	for reason, values := range map[string]string{"escapes": emoji, "YAML": `a: {b: 1}`, "nothing": ""} {
		if _, code, message := f.invoke(t, event("Create", "HelmChart", `"Release":"r","Chart":"c","Values":"`+values+`"`)); code != "Conflict" {
			t.Errorf("%s as values: %s %s", reason, code, message)
		}
	}
}
