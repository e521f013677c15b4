package kubectl_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

// liveFunction is a function before a real API server.
type liveFunction struct {
	*stackFunction
	api *kubetest.Server
}

// as returns the function for a user of the cluster, the administrator's when empty.
func (l *liveFunction) as(t *testing.T, user string) *liveFunction {
	t.Helper()
	config := rest.CopyConfig(l.api.Config)
	config.Impersonate.UserName = user
	client, err := kube.NewClient(config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own := &liveFunction{stackFunction: newStackFunction(t), api: l.api}
	own.Handler = kubectl.New(kubectl.Options{
		Connector: &connector{client: client}, Roles: kubectl.Roles{"*"}, Files: files{}, HTTP: own.server.Client(), Log: slog.New(slog.DiscardHandler),
		DeletePatience: 5 * time.Second,
	})
	return own
}

// objects makes a manifest property of YAML documents between lines of dashes.
func objects(t *testing.T, label string, documents ...string) string {
	t.Helper()
	var list []any
	for _, document := range documents {
		var object map[string]any
		if err := json.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%s: %s", document, err)
		}
		if metadata, ok := object["metadata"].(map[string]any); ok && label != "" {
			metadata["labels"] = map[string]any{label: ""}
		}
		list = append(list, object)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	property, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	made := `"Manifest":` + string(property)
	if label != "" {
		made += `,"PruneLabel":"` + label + `"`
	}
	return made
}

// updated is an Update's event.
func updated(before, now string) string {
	return strings.TrimSuffix(event("Update", "KubernetesResource", now), "}") + `,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",` + before + `}}`
}

const (
	liveMap     = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"NAME"},"data":{"a":"1"}}`
	liveAccount = `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"NAME"}}`
	liveRole    = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"NAME"},"rules":[]}`
	liveGadget  = `{"apiVersion":"late.example.com/v1","kind":"Gadget","metadata":{"name":"NAME"},"spec":{"size":1}}`
	liveKind    = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gadgets.late.example.com"},
		"spec":{"group":"late.example.com","scope":"Namespaced","names":{"plural":"gadgets","singular":"gadget","kind":"Gadget"},"versions":[
		{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	liveDeployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"NAME"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"NAME"}},
		"template":{"metadata":{"labels":{"app":"NAME"}},"spec":{"containers":[{"name":"a","image":"example.com/a"}]}}}}`
)

func named(document, name string) string { return strings.ReplaceAll(document, "NAME", name) }

// TestLiveResources sends KubernetesResources to a real API server.
func TestLiveResources(t *testing.T) {
	l := (&liveFunction{api: kubetest.Start(t)}).as(t, "")
	exists := func(t *testing.T, kind, name string) bool {
		t.Helper()
		return l.api.Kubectl(t, "", "get", kind, name, "--ignore-not-found", "-o", "name") != ""
	}
	ok := func(t *testing.T, f *liveFunction, payload string) {
		t.Helper()
		if _, code, message := f.invoke(t, payload); code != "" {
			t.Fatal(code, message)
		}
	}
	tests := map[string]func(*testing.T, *liveFunction){
		// CDK's handler: parallel charts conflict on same CRD; CRDs not ready
		"KindAfterItsObject": func(t *testing.T, f *liveFunction) {
			ok(t, f, event("Create", "KubernetesResource", objects(t, "", named(liveGadget, "one"), liveKind, named(liveGadget, "two"))))
			if !exists(t, "gadgets.late.example.com", "one") || !exists(t, "gadgets.late.example.com", "two") {
				t.Error("an object of the new kind is missing")
			}
		},
		// CDK's handler: parallel charts conflict on same CRD; CRDs not ready
		"KindMadeAgain": func(t *testing.T, f *liveFunction) {
			kind := strings.ReplaceAll(strings.ReplaceAll(liveKind, "gadget", "gizmo"), "Gadget", "Gizmo")
			gizmo := strings.ReplaceAll(named(liveGadget, "one"), "Gadget", "Gizmo")
			for range 2 {
				// Before its definition, which a warm function still knows from the last time.
				ok(t, f, event("Create", "KubernetesResource", objects(t, "", gizmo, kind)))
				l.api.Kubectl(t, "", "delete", "crd", "gizmos.late.example.com")
			}
		},
		// CDK's handler: prune
		"PruneOfAnyKind": func(t *testing.T, f *liveFunction) {
			const label = "aws.cdk.eks/prune-any"
			before := objects(t, label, named(liveMap, "any-kept"), named(liveMap, "any-gone"), named(liveAccount, "any"), named(liveRole, "any"))
			ok(t, f, event("Create", "KubernetesResource", before))
			// What a former attempt left behind is in neither manifest.
			l.api.Kubectl(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"any-stray","labels":{"`+label+`":""}}}`, "apply", "-f", "-")
			l.api.Kubectl(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"any-other","labels":{"aws.cdk.eks/prune-other":""}}}`, "apply", "-f", "-")
			// The namespace that one manifest names and the other leaves out is the same.
			now := objects(t, label, strings.Replace(named(liveMap, "any-kept"), `"name"`, `"namespace":"default","name"`, 1))
			ok(t, f, updated(before, now))
			got := map[string]bool{}
			for _, object := range []string{"configmap/any-kept", "configmap/any-gone", "serviceaccount/any", "clusterrole/any", "configmap/any-stray", "configmap/any-other"} {
				kind, name, _ := strings.Cut(object, "/")
				got[object] = exists(t, kind, name)
			}
			want := map[string]bool{
				"configmap/any-kept": true, "configmap/any-gone": false, "serviceaccount/any": false, "clusterrole/any": false,
				"configmap/any-stray": false, "configmap/any-other": true,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what exists (-want +got):\n%s", diff)
			}
		},
		// CDK's handler: prune
		"PruneBoundToNamespace": func(t *testing.T, f *liveFunction) {
			l.api.Kubectl(t, "", "create", "namespace", "bound")
			l.api.Kubectl(t, "", "create", "role", "app", "-n", "bound", "--verb=*", "--resource=configmaps")
			l.api.Kubectl(t, "", "create", "rolebinding", "app", "-n", "bound", "--role=app", "--user=app")
			app, in := f.as(t, "app"), func(name string) string {
				return strings.Replace(named(liveMap, name), `"name"`, `"namespace":"bound","name"`, 1)
			}
			before, now := objects(t, "aws.cdk.eks/prune-app", in("a"), in("b")), objects(t, "aws.cdk.eks/prune-app", in("a"))
			ok(t, app, event("Create", "KubernetesResource", before))
			ok(t, app, updated(before, now))
			if got := l.api.Kubectl(t, "", "get", "configmap", "-n", "bound", "-l", "aws.cdk.eks/prune-app", "-o", "jsonpath={.items[*].metadata.name}"); got != "a" {
				t.Errorf("what is left: %s", got)
			}
		},
		// CDK's handler: replacement deletes live objects; create collides
		"TakenOver": func(t *testing.T, f *liveFunction) {
			old, now := objects(t, "aws.cdk.eks/prune-old", named(liveMap, "taken")), objects(t, "aws.cdk.eks/prune-new", named(liveMap, "taken"))
			ok(t, f, event("Create", "KubernetesResource", old))
			if _, code, _ := f.invoke(t, event("Create", "KubernetesResource", now)); code != "Conflict" {
				t.Errorf("creating what exists: %q", code)
			}
			ok(t, f, event("Create", "KubernetesResource", now+`,"Overwrite":"true"`))
			ok(t, f, event("Delete", "KubernetesResource", old))
			if !exists(t, "configmap", "taken") {
				t.Error("the Delete of the resource that was replaced deleted the new one's object")
			}
			ok(t, f, event("Delete", "KubernetesResource", now))
			if exists(t, "configmap", "taken") {
				t.Error("the object is still there")
			}
		},
		// CDK's handler: create retried after partial success
		"FailedCreateIsUndone": func(t *testing.T, f *liveFunction) {
			l.api.Kubectl(t, "", "create", "configmap", "in-the-way")
			payload := event("Create", "KubernetesResource", objects(t, "", named(liveMap, "undone"), named(liveMap, "in-the-way"), named(liveAccount, "undone")))
			if _, err := f.ask(t, ownARN, "", payload); err != nil {
				t.Fatal(err)
			}
			reason, _ := f.puts[0]["Reason"].(string)
			if f.puts[0]["Status"] != "FAILED" || !strings.Contains(reason, "ConfigMap default/in-the-way") || !strings.Contains(reason, "2 of 3 objects had been created and are deleted again") {
				t.Errorf("answered %v", f.puts[0])
			}
			if exists(t, "configmap", "undone") || exists(t, "serviceaccount", "undone") || !exists(t, "configmap", "in-the-way") {
				t.Error("what it made stays, or what it did not make is gone")
			}
			l.api.Kubectl(t, "", "delete", "configmap", "in-the-way")
			ok(t, f, payload)
		},
		// CDK's handler: immutable field updates fail
		"Immutable": func(t *testing.T, f *liveFunction) {
			ok(t, f, event("Create", "KubernetesResource", objects(t, "", named(liveDeployment, "fixed"))))
			changed := strings.ReplaceAll(named(liveDeployment, "fixed"), `"app":"fixed"`, `"app":"other"`)
			_, code, message := f.invoke(t, event("Update", "KubernetesResource", objects(t, "", changed)))
			if code != "Failed" || !strings.Contains(message, "spec.selector") || !strings.Contains(message, "immutable") || !strings.Contains(message, "delete the object first") {
				t.Errorf("%s %s", code, message)
			}
		},
		// CDK's handler: Delete hangs/timeouts
		"StuckDelete": func(t *testing.T, f *liveFunction) {
			held := strings.Replace(named(liveMap, "held"), `"name"`, `"finalizers":["example.com/hold"],"name"`, 1)
			ok(t, f, event("Create", "KubernetesResource", objects(t, "", held)))
			start := time.Now()
			_, code, message := f.invoke(t, event("Delete", "KubernetesResource", objects(t, "", held, named(liveMap, "never"))))
			if code != "InProgress" || !strings.Contains(message, "held") || !strings.Contains(message, "example.com/hold") || time.Since(start) > 20*time.Second {
				t.Errorf("after %s: %s %s", time.Since(start), code, message)
			}
			l.api.Kubectl(t, `[{"op":"remove","path":"/metadata/finalizers"}]`, "patch", "configmap", "held", "--type", "json", "--patch-file", "/dev/stdin")
			ok(t, f, event("Delete", "KubernetesResource", objects(t, "", held)))
		},
		// CDK's handler: swallowed delete errors hide leftovers
		"ForbiddenDelete": func(t *testing.T, f *liveFunction) {
			ok(t, f, event("Create", "KubernetesResource", objects(t, "", named(liveMap, "kept"))))
			start := time.Now()
			_, code, message := f.as(t, "nobody").invoke(t, event("Delete", "KubernetesResource", objects(t, "", named(liveMap, "kept"))))
			if code != "AccessDenied" || !strings.Contains(message, "ConfigMap default/kept") || time.Since(start) > 5*time.Second {
				t.Errorf("after %s: %s %s", time.Since(start), code, message)
			}
		},
		"SkipValidation": func(t *testing.T, f *liveFunction) {
			unknown := strings.Replace(named(liveDeployment, "unknown"), `"replicas"`, `"invented":{"by":"a newer release"},"replicas"`, 1)
			for _, request := range []string{"Create", "Update", "Update"} {
				if _, code, message := f.invoke(t, event(request, "KubernetesResource", objects(t, "", unknown))); code != "Failed" && code != "InvalidRequest" || !strings.Contains(message, "invented") {
					t.Errorf("%s of a field that does not exist: %s %s", request, code, message)
				}
			}
			for _, request := range []string{"Create", "Update"} {
				ok(t, f, event(request, "KubernetesResource", objects(t, "", unknown)+`,"SkipValidation":"true"`))
			}
			grown := strings.Replace(unknown, `"replicas":0`, `"replicas":1`, 1)
			ok(t, f, event("Update", "KubernetesResource", objects(t, "", grown)+`,"SkipValidation":true`))
			if got := l.api.Kubectl(t, "", "get", "deployment", "unknown", "-o", "jsonpath={.spec.replicas}"); got != "1" {
				t.Errorf("replicas: %s", got)
			}
		},
		// CDK's handler: last-applied annotation
		"LargeManifest": func(t *testing.T, f *liveFunction) {
			large := strings.Replace(named(liveMap, "large"), `"1"`, `"`+strings.Repeat("x", 300<<10)+`"`, 1)
			for _, request := range []string{"Create", "Update"} {
				ok(t, f, event(request, "KubernetesResource", objects(t, "", large)))
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := l.as(t, "")
			test(t, l)
		})
	}
}
