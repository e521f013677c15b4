package kube_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: web}}
spec:
  replicas: 0
  minReadySeconds: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, creationTimestamp: null}
    spec:
      volumes: [{name: scratch, emptyDir: {}}]
      containers:
      - name: web
        image: example.com/web:1
        env: [{name: EMPTY, value: ""}]
        ports: [{containerPort: 80}]
        resources: {limits: {cpu: "0.5", memory: 1024Mi}}
`

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	made := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &made.Object); err != nil {
		t.Fatal(err)
	}
	return made
}

func apply(t *testing.T, client *kube.Client, want kube.Change, text string) {
	t.Helper()
	got, err := client.Apply(t.Context(), object(t, text), kube.WriteOptions{})
	if err != nil || got != want {
		t.Fatalf("Apply: %s, %v; want %s", got, err, want)
	}
}

// TestLive holds the client against a real API server: what the fake cannot know.
func TestLive(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	named := func(name string) string { return strings.ReplaceAll(deployment, "NAME", name) }
	without := func(text, line string) string { return strings.Replace(text, line, "", 1) }
	field := func(t *testing.T, name string, path ...string) any {
		t.Helper()
		live, err := client.Get(ctx, "deploy", "default", name)
		if err != nil {
			t.Fatal(err)
		}
		value, _, _ := unstructured.NestedFieldNoCopy(live.Object, path...)
		return value
	}

	t.Run("ReapplyMutatesNothing", func(t *testing.T) {
		apply(t, client, kube.Created, named("own"))
		apply(t, client, kube.Unchanged, named("own"))
		if diff := cmp.Diff([]string{"patch deployments"}, server.Mutations(t, "own")); diff != "" {
			t.Errorf("mutations of two applies (-want +got):\n%s", diff)
		}
		if count := server.DryRuns(t); count > 0 {
			t.Errorf("%d dry runs to apply what was applied before", count)
		}
	})
	t.Run("FieldRemoval", func(t *testing.T) {
		apply(t, client, kube.Updated, without(named("own"), "  minReadySeconds: 5\n"))
		if got := field(t, "own", "spec", "minReadySeconds"); got != nil && got != int64(0) {
			t.Errorf("minReadySeconds is still %v", got)
		}
		apply(t, client, kube.Unchanged, without(named("own"), "  minReadySeconds: 5\n"))
	})
	t.Run("DriftIsCorrected", func(t *testing.T) {
		server.Kubectl(t, "", "scale", "deployment/own", "--replicas=1")
		apply(t, client, kube.Updated, without(named("own"), "  minReadySeconds: 5\n"))
		if got := field(t, "own", "spec", "replicas"); got != int64(0) {
			t.Errorf("replicas are %v", got)
		}
	})
	// A value that says nothing is dropped here and stored there; where it is stored, it is one to restore.
	for name, tc := range map[string]struct{ kind, text, remove string }{
		"false":   {"serviceaccount", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: NAME}, automountServiceAccountToken: false}", `{"automountServiceAccountToken":null}`},
		"text":    {"configmap", `{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, labels: {empty: ""}}, data: {a: "", b: x}}`, `{"data":{"a":null}}`},
		"label":   {"configmap", `{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, labels: {empty: ""}}, data: {b: x}}`, `{"metadata":{"labels":null}}`},
		"nested":  {"deployment", strings.Replace(deployment, "ports:", "securityContext: {allowPrivilegeEscalation: false, privileged: false}\n        ports:", 1), `{"spec":{"template":{"spec":{"containers":[{"name":"web","securityContext":{"allowPrivilegeEscalation":null}}]}}}}`},
		"default": {"deployment", strings.Replace(deployment, "minReadySeconds: 5", "revisionHistoryLimit: 0", 1), `{"spec":{"revisionHistoryLimit":null}}`},
	} {
		for _, by := range []string{"apply", "create", "kubectl"} {
			t.Run("RemovedZero/"+name+"/"+by, func(t *testing.T) {
				own := "zero-" + name + "-" + by
				text := strings.ReplaceAll(tc.text, "NAME", own)
				switch by {
				case "apply":
					apply(t, client, kube.Created, text)
				case "create":
					if _, err := client.Create(ctx, object(t, text), kube.WriteOptions{}); err != nil {
						t.Fatal(err)
					}
				case "kubectl":
					server.Kubectl(t, text, "apply", "-f", "-")
				}
				before := server.Mutations(t, own)
				apply(t, client, kube.Unchanged, text)
				if diff := cmp.Diff(before, server.Mutations(t, own)); diff != "" {
					t.Errorf("an apply of the same mutates (-want +got):\n%s", diff)
				}
				held := func() string {
					return server.Kubectl(t, "", "get", tc.kind, own, "-o", "jsonpath={.metadata.labels}{.data}{.automountServiceAccountToken}{.spec}")
				}
				want := held()
				server.Kubectl(t, "", "patch", tc.kind, own, "-p", tc.remove)
				if held() == want {
					t.Fatal("nothing was removed")
				}
				apply(t, client, kube.Updated, text)
				if diff := cmp.Diff(want, held()); diff != "" {
					t.Errorf("not restored (-want +got):\n%s", diff)
				}
				apply(t, client, kube.Unchanged, text)
			})
		}
	}
	t.Run("KubectlPrunesAfterUs", func(t *testing.T) {
		apply(t, client, kube.Created, named("handed"))
		server.Kubectl(t, without(named("handed"), "  minReadySeconds: 5\n"), "apply", "-f", "-")
		if got := field(t, "handed", "spec", "minReadySeconds"); got != nil && got != int64(0) {
			t.Errorf("minReadySeconds is still %v", got)
		}
		apply(t, client, kube.Unchanged, without(named("handed"), "  minReadySeconds: 5\n"))
	})
	for name, command := range map[string][]string{
		"MigrationFromApply":  {"apply", "-f", "-"},
		"MigrationFromCreate": {"create", "--save-config", "-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			own := strings.ToLower(name)
			server.Kubectl(t, named(own), command...)
			before := len(server.Mutations(t, own))
			apply(t, client, kube.Unchanged, named(own))
			if after := len(server.Mutations(t, own)); after != before {
				t.Errorf("an apply of the same mutated: %v", server.Mutations(t, own))
			}
			apply(t, client, kube.Updated, without(named(own), "  minReadySeconds: 5\n"))
			if got := field(t, own, "spec", "minReadySeconds"); got != nil && got != int64(0) {
				t.Errorf("minReadySeconds is still %v", got)
			}
		})
	}
	t.Run("CreateThenApply", func(t *testing.T) {
		if got, err := client.Create(ctx, object(t, named("born")), kube.WriteOptions{}); err != nil || got != kube.Created {
			t.Fatal(got, err)
		}
		_, err := client.Create(ctx, object(t, named("born")), kube.WriteOptions{})
		if !apierrors.IsAlreadyExists(err) || fault.CodeOf(err) != fault.Conflict {
			t.Errorf("creating twice: %v", err)
		}
		apply(t, client, kube.Unchanged, named("born"))
		apply(t, client, kube.Updated, without(named("born"), "  minReadySeconds: 5\n"))
		if got := field(t, "born", "spec", "minReadySeconds"); got != nil && got != int64(0) {
			t.Errorf("minReadySeconds is still %v", got)
		}
	})
	t.Run("OptimisticLock", func(t *testing.T) {
		live, err := client.Get(ctx, "cm", "kube-system", "extension-apiserver-authentication")
		if err != nil {
			t.Fatal(err)
		}
		locked := object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: locked, namespace: default}, data: {a: b}}")
		apply(t, client, kube.Created, "{apiVersion: v1, kind: ConfigMap, metadata: {name: locked}, data: {a: a}}")
		locked.SetResourceVersion(live.GetResourceVersion())
		if _, err = client.Apply(ctx, locked, kube.WriteOptions{}); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("Apply with an old version: %v", err)
		}
		if live, err = client.Get(ctx, "cm", "default", "locked"); err != nil {
			t.Fatal(err)
		}
		locked.SetResourceVersion(live.GetResourceVersion())
		if got, err := client.Apply(ctx, locked, kube.WriteOptions{}); err != nil || got != kube.Updated {
			t.Errorf("Apply with the live version: %s, %v", got, err)
		}
	})
	t.Run("SecretStringData", func(t *testing.T) {
		secret := "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: one, b: two}}"
		apply(t, client, kube.Created, secret)
		apply(t, client, kube.Unchanged, secret)
		apply(t, client, kube.Updated, "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: one}}")
		live, err := client.Get(ctx, "secret", "default", "s")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"a": "b25l"}, live.Object["data"]); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
	})
	t.Run("LargeObjectHasNoAnnotation", func(t *testing.T) {
		large := object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: large}}")
		large.Object["data"] = map[string]any{"text": strings.Repeat("x", 300<<10)}
		for _, want := range []kube.Change{kube.Created, kube.Unchanged} {
			if got, err := client.Apply(ctx, large, kube.WriteOptions{}); err != nil || got != want {
				t.Errorf("Apply: %s, %v; want %s", got, err, want)
			}
		}
	})
	t.Run("NewKind", func(t *testing.T) {
		apply(t, client, kube.Created, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
		widget := "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {size: 1}}"
		apply(t, client, kube.Created, widget)
		apply(t, client, kube.Unchanged, widget)
	})
	t.Run("KindOfAnotherVersion", func(t *testing.T) {
		definition := `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gears, singular: gear, kind: Gear}
  versions:
  - {name: VERSION, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`
		gear := "{apiVersion: example.com/VERSION, kind: Gear, metadata: {name: g}, spec: {size: 1}}"
		of := func(text, version string) string { return strings.ReplaceAll(text, "VERSION", version) }
		apply(t, client, kube.Created, of(definition, "v1beta1"))
		apply(t, client, kube.Created, of(gear, "v1beta1"))
		if _, err := client.Get(ctx, "gear", "default", "g"); err != nil {
			t.Fatal(err)
		}
		// By somebody else, so that the client does not know.
		server.Kubectl(t, "", "delete", "crd", "gears.example.com")
		_, err := client.Create(ctx, object(t, of(gear, "v1beta1")), kube.WriteOptions{})
		if !meta.IsNoMatchError(errors.Unwrap(err)) {
			t.Errorf("creating an object of a kind that is gone: %v", err)
		}
		server.Kubectl(t, of(definition, "v1"), "create", "-f", "-")
		server.Kubectl(t, "", "wait", "--for", "condition=Established", "crd/gears.example.com", "--timeout", "20s")
		server.Kubectl(t, of(gear, "v1"), "create", "-f", "-")
		if err := client.Patch(ctx, "gear", "default", "g", types.MergePatchType, []byte(`{"spec":{"size":2}}`)); err != nil {
			t.Errorf("patching by the name of the kind: %v", err)
		}
		server.Kubectl(t, "", "delete", "crd", "gears.example.com")
		server.Kubectl(t, of(definition, "v2"), "create", "-f", "-")
		server.Kubectl(t, "", "wait", "--for", "condition=Established", "crd/gears.example.com", "--timeout", "20s")
		if found, err := client.List(ctx, "gears", "default", "", nil); err != nil || len(found) > 0 {
			t.Errorf("listing by the name of the kind: %v, %v", found, err)
		}
	})
	t.Run("UnknownField", func(t *testing.T) {
		typo := object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: typo}, dada: {a: b}}")
		_, err := client.Apply(ctx, typo, kube.WriteOptions{})
		if fault.CodeOf(err) != fault.Failed {
			t.Errorf("Apply of an unknown field: %v", err)
		}
		skip := kube.WriteOptions{SkipValidation: true}
		typo.Object["data"] = map[string]any{"a": "1", "b": "2"}
		for i, want := range []kube.Change{kube.Created, kube.Unchanged, kube.Updated} {
			if i == 2 {
				typo.Object["data"] = map[string]any{"a": "1"}
			}
			if got, err := client.Apply(ctx, typo, skip); err != nil || got != want {
				t.Errorf("Apply %d of an unknown field without validation: %s, %v; want %s", i, got, err, want)
			}
		}
		live, err := client.Get(ctx, "cm", "default", "typo")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"a": "1"}, live.Object["data"]); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
		// Plain kubectl goes on, and so does an apply that validates.
		server.Kubectl(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: typo}, data: {c: '3'}}", "apply", "-f", "-")
		apply(t, client, kube.Updated, "{apiVersion: v1, kind: ConfigMap, metadata: {name: typo}, data: {d: '4'}}")
		if live, err = client.Get(ctx, "cm", "default", "typo"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"d": "4"}, live.Object["data"]); diff != "" {
			t.Errorf("data after plain kubectl and an apply (-want +got):\n%s", diff)
		}
	})
	t.Run("WrongContentFailsAtOnce", func(t *testing.T) {
		for reason, text := range map[string]string{
			"base64": "{apiVersion: v1, kind: Secret, metadata: {name: odd}, data: {a: 'no base64!'}}",
			"type":   "{apiVersion: apps/v1, kind: Deployment, metadata: {name: odd}, spec: {replicas: many}}",
		} {
			start := time.Now()
			_, err := client.Apply(ctx, object(t, text), kube.WriteOptions{})
			if took := time.Since(start); fault.CodeOf(err) != fault.Failed || took > 4*time.Second {
				t.Errorf("%s: %v after %s", reason, err, took)
			}
		}
	})
	t.Run("Patch", func(t *testing.T) {
		for kind, patch := range map[types.PatchType]string{
			types.StrategicMergePatchType: `{"metadata":{"annotations":{"a":"1"}}}`,
			types.MergePatchType:          `{"metadata":{"annotations":{"b":"2"}}}`,
		} {
			if err := client.Patch(ctx, "deployment", "default", "own", kind, []byte(patch)); err != nil {
				t.Error(err)
			}
		}
		if err := client.Patch(ctx, "deployment", "default", "own", types.JSONPatchType,
			[]byte(`[{"op":"replace","path":"/metadata/annotations/a","value":"3"}]`)); err != nil {
			t.Error(err)
		}
		if got := field(t, "own", "metadata", "annotations", "a"); got != "3" {
			t.Errorf("annotation a is %v", got)
		}
		if err := client.Patch(ctx, "deployment", "default", "none", types.MergePatchType, []byte(`{}`)); !apierrors.IsNotFound(err) {
			t.Errorf("patching nothing: %v", err)
		}
	})
	t.Run("Delete", func(t *testing.T) {
		stuck := "{apiVersion: v1, kind: ConfigMap, metadata: {name: stuck, finalizers: [example.com/hold]}}"
		apply(t, client, kube.Created, stuck)
		results := client.Delete(ctx, []*unstructured.Unstructured{
			object(t, stuck), object(t, named("own")), object(t, named("own")),
			object(t, "{apiVersion: nowhere.example.com/v1, kind: Ghost, metadata: {name: g}}"),
		}, 3*time.Second)
		var got []string
		for _, result := range results {
			got = append(got, result.Object+" "+string(result.Change)+string(fault.CodeOf(result.Err)))
		}
		want := []string{
			"ConfigMap default/stuck InProgress", "Deployment default/own deleted",
			"Deployment default/own unchanged", "Ghost g unchanged",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s\n%v", diff, results[0].Err)
		}
	})
}
