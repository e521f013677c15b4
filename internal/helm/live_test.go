package helm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/helm/helmtest"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

// live is a real API server with a chart repository beside it.
type live struct {
	server  *kubetest.Server
	client  *kube.Client
	charts  *helm.Charts
	address string
}

// nowhere keeps the Deployment's pods from being scheduled.
func nowhere() map[string]any {
	return map[string]any{"nodeSelector": map[string]any{"none": "such"}}
}

func (l *live) chart(t *testing.T, version string) *helm.Chart {
	t.Helper()
	chart, err := l.charts.Load(t.Context(), helm.Source{Chart: "web", Version: version, Repository: l.address})
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

// apply applies the chart's version and returns "object change" of each result.
func (l *live) apply(t *testing.T, version string, release helm.Release) []string {
	t.Helper()
	results, err := helm.New(l.client, helm.Options{}).Apply(t.Context(), l.chart(t, version), release)
	if err != nil {
		t.Fatalf("Apply %s: %s", release.Name, err)
	}
	var changes []string
	for _, result := range results {
		changes = append(changes, result.Object+" "+string(result.Change))
	}
	return changes
}

// fails applies and returns the error.
func (l *live) fails(t *testing.T, version string, release helm.Release) *fault.Error {
	t.Helper()
	_, err := helm.New(l.client, helm.Options{Patience: time.Second}).Apply(t.Context(), l.chart(t, version), release)
	if err == nil {
		t.Fatalf("Apply %s: no error", release.Name)
	}
	return fault.As(err)
}

// message returns what the release's ConfigMap says.
func (l *live) message(t *testing.T, release string) string {
	t.Helper()
	return l.server.Kubectl(t, "", "get", "configmap", release+"-message", "-o", "jsonpath={.data.message} {.data.chart}", "--ignore-not-found")
}

// revisions returns "revision status" of a release's history.
func (l *live) revisions(t *testing.T, release string) string {
	t.Helper()
	return l.server.Kubectl(t, "", "get", "secrets", "-l", "owner=helm,name="+release, "--sort-by=.metadata.creationTimestamp",
		"-o", `jsonpath={range .items[*]}{.metadata.labels.version}{" "}{.metadata.labels.status}{"; "}{end}`)
}

// lock gives the newest revision a status as if the operation on it had been cut off at a time, and
// the owner's label a deadline.
func (l *live) lock(t *testing.T, release string, revision int, status string, since, deadline time.Time) {
	t.Helper()
	name := fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
	encoded := l.server.Kubectl(t, "", "get", "secret", name, "-o", "jsonpath={.data.release}")
	content := helmtest.Decode(t, encoded)
	info, _ := content["info"].(map[string]any)
	info["status"] = status
	info["last_deployed"] = since.UTC().Format(time.RFC3339)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": map[string]string{
			"status":                     status,
			"environment-provider/owner": fmt.Sprintf("%d.other", deadline.Unix()),
		}},
		"data": map[string]string{"release": base64.StdEncoding.EncodeToString([]byte(helmtest.Encode(t, content)))},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.server.Kubectl(t, "", "patch", "secret", name, "--type", "merge", "-p", string(patch))
}

// odd are objects that the API server stores otherwise than they are written.
const odd = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: odd-deployment, creationTimestamp: null, labels: {}, annotations: {}}
spec:
  replicas: 0
  minReadySeconds: 0
  paused: false
  selector: {matchLabels: {app: odd}}
  template:
    metadata: {labels: {app: odd}, creationTimestamp: null}
    spec:
      hostNetwork: false
      nodeSelector: {}
      affinity:
      imagePullSecrets: []
      tolerations: [{key: a, operator: Exists, effect: ""}]
      volumes: [{name: scratch, emptyDir: {sizeLimit: 1024Mi}}, {name: config, configMap: {name: odd-message, optional: false}}]
      containers:
      - name: web
        image: example.com/web:1
        args: []
        env: [{name: EMPTY, value: ""}, {name: TWICE, value: "1"}]
        ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]
        securityContext: {allowPrivilegeEscalation: false, privileged: false}
        livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 0}
        resources: {limits: {cpu: 0.5, memory: 1024Mi}, requests: {cpu: "0.10"}}
---
apiVersion: v1
kind: Service
metadata: {name: odd-service}
spec: {selector: {app: odd}, ports: [{name: http, port: 80}, {name: dns, port: 53, targetPort: dns, protocol: UDP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: odd-secret}
stringData: {a: b, c: ""}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: odd-account}
automountServiceAccountToken: false
secrets: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: odd-role}
rules: [{apiGroups: [""], resources: [pods], resourceNames: [], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: odd-binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: odd-role}
subjects: [{kind: ServiceAccount, name: odd-account, namespace: default, apiGroup: ""}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: odd-budget}
spec: {maxUnavailable: 50%, selector: {matchLabels: {app: odd}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: odd-scaler}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: odd-deployment}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: odd-policy}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}], from: []}], egress: [], policyTypes: [Ingress]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: odd-webhook}
webhooks:
- name: odd.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {service: {name: odd-service, namespace: default, path: /}}
  rules: [{apiGroups: [odd.example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
  objectSelector: {}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: odd-job}
spec:
  schedule: "0 0 1 1 *"
  suspend: false
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1", command: [a], resources: {}}]}}}}
`

// TestLive holds the package against a real API server.
func TestLive(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	broken := helmtest.Web("3.0.0")
	broken.Files["templates/none.yaml"] = "apiVersion: test.example.com/v1\nkind: Unknown\nmetadata: {name: x}\n"
	unrendered := helmtest.Web("4.0.0")
	unrendered.Files["templates/deep.yaml"] = "{{ .Values.message.deep.er }}"
	future := helmtest.Web("5.0.0")
	future.Files["Chart.yaml"] = "apiVersion: v2\nname: web\nversion: 5.0.0\nkubeVersion: '>=1.99'\n"
	l := &live{
		server:  server,
		client:  client,
		charts:  helm.NewCharts(aws.Config{}, nil),
		address: helmtest.Repository(t, helmtest.Web("1.0.0"), helmtest.Web("2.0.0"), broken, unrendered, future).URL,
	}
	t.Run("InstallUpgradeUninstall", func(t *testing.T) {
		temporary := t.TempDir()
		t.Setenv("TMPDIR", temporary)
		release := helm.Release{Name: "one", Namespace: "default", Wait: true, Values: map[string]any{"message": "first", "nothing": nil}}
		if diff := cmp.Diff([]string{"Release default/one created"}, l.apply(t, "1.0.0", release)); diff != "" {
			t.Errorf("install (-want +got):\n%s", diff)
		}
		if got := l.message(t, "one"); got != "first 1.0.0" {
			t.Errorf("after the installation: %q", got)
		}
		before := server.Writes(t)
		if diff := cmp.Diff([]string{"Release default/one unchanged"}, l.apply(t, "1.0.0", release)); diff != "" {
			t.Errorf("re-apply (-want +got):\n%s", diff)
		}
		release.Values = nil
		if diff := cmp.Diff([]string{"Release default/one unchanged"}, l.apply(t, "1.0.0", release)); diff != "" {
			t.Errorf("re-apply without values (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, server.Writes(t)); diff != "" {
			t.Errorf("the re-applies wrote (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"Release default/one updated"}, l.apply(t, "2.0.0", release)); diff != "" {
			t.Errorf("upgrade without values (-want +got):\n%s", diff)
		}
		if got := l.message(t, "one"); got != "first 2.0.0" {
			t.Errorf("an upgrade without values does not keep the old ones: %q", got)
		}
		server.Kubectl(t, "", "delete", "configmap", "one-message")
		if diff := cmp.Diff([]string{"Release default/one updated"}, l.apply(t, "2.0.0", release)); diff != "" {
			t.Errorf("an object is missing (-want +got):\n%s", diff)
		}
		for object, patch := range map[string]string{
			"configmap/one-message": `{"data":{"message":"by hand","more":"kept"}}`,
			"deployment/one":        `{"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"web","image":"example.com/other:1"}]}}}}`,
		} {
			server.Kubectl(t, "", "patch", object, "-p", patch)
			want := "ConfigMap default/one-message has changed: data.message"
			if strings.HasPrefix(object, "deployment") {
				want = "Deployment default/one has changed: spec.replicas"
			}
			before := server.Writes(t)
			planned, err := helm.New(client, helm.Options{}).Plan(t.Context(), l.chart(t, "2.0.0"), release)
			if err != nil || len(planned) != 1 || !slices.Contains(planned[0].Details, want) {
				t.Errorf("plan of a release with a changed %s: %v, %v", object, planned, err)
			}
			if diff := cmp.Diff(before, server.Writes(t)); diff != "" {
				t.Errorf("the plan wrote (-want +got):\n%s", diff)
			}
			for _, change := range []string{"updated", "unchanged"} {
				if diff := cmp.Diff([]string{"Release default/one " + change}, l.apply(t, "2.0.0", release)); diff != "" {
					t.Errorf("%s was changed (-want +got):\n%s", object, diff)
				}
			}
		}
		held := l.message(t, "one") + server.Kubectl(t, "", "get", "deployment", "one", "-o", "jsonpath= {.spec.replicas} {.spec.template.spec.containers[0].image}") +
			server.Kubectl(t, "", "get", "configmap", "one-message", "-o", "jsonpath= {.data.more}")
		if diff := cmp.Diff("first 2.0.0 1 example.com/web:1 kept", held); diff != "" {
			t.Errorf("what was changed is not set back (-want +got):\n%s", diff)
		}
		release.Values = map[string]any{"message": "second"}
		l.apply(t, "2.0.0", release)
		if got := l.message(t, "one"); got != "second 2.0.0" {
			t.Errorf("new values: %q", got)
		}
		for _, want := range []kube.Change{kube.Deleted, kube.Unchanged} {
			if got, err := helm.New(client, helm.Options{}).Uninstall(t.Context(), release); err != nil || got != want {
				t.Errorf("Uninstall: %s, %v; want %s", got, err, want)
			}
		}
		if got := l.message(t, "one") + l.revisions(t, "one"); got != "" {
			t.Errorf("left after the uninstallation: %s", got)
		}
		if left, err := filepath.Glob(filepath.Join(temporary, "*")); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary directory: %s, %v", left, err)
		}
	})
	t.Run("Definitions", func(t *testing.T) {
		description := func() string {
			return server.Kubectl(t, "", "get", "crd", "gadgets.test.example.com", "-o", "jsonpath={.spec.versions[0].schema.openAPIV3Schema.description}")
		}
		server.Kubectl(t, "", "delete", "crd", "gadgets.test.example.com")
		plain := helm.Release{Name: "crds", Namespace: "default"}
		l.apply(t, "1.0.0", plain)
		l.apply(t, "2.0.0", plain)
		if got := description(); got != "1.0.0" {
			t.Errorf("an upgrade changed the definition: %q", got)
		}
		upgrading := plain
		upgrading.UpgradeCRDs = true
		want := []string{"CustomResourceDefinition gadgets.test.example.com updated", "Release default/crds unchanged"}
		if diff := cmp.Diff(want, l.apply(t, "2.0.0", upgrading)); diff != "" {
			t.Errorf("UpgradeCRDs (-want +got):\n%s", diff)
		}
		if got := description(); got != "2.0.0" {
			t.Errorf("the definition after UpgradeCRDs: %q", got)
		}
		server.Kubectl(t, "", "delete", "crd", "gadgets.test.example.com")
		fresh := helm.Release{Name: "crdsfresh", Namespace: "fresh", CreateNamespace: true, UpgradeCRDs: true}
		want = []string{"CustomResourceDefinition gadgets.test.example.com created", "Release fresh/crdsfresh created"}
		if diff := cmp.Diff(want, l.apply(t, "1.0.0", fresh)); diff != "" {
			t.Errorf("first installation (-want +got):\n%s", diff)
		}
		before := server.Writes(t)
		want = []string{"CustomResourceDefinition gadgets.test.example.com unchanged", "Release fresh/crdsfresh unchanged"}
		if diff := cmp.Diff(want, l.apply(t, "1.0.0", fresh)); diff != "" {
			t.Errorf("re-apply (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, server.Writes(t)); diff != "" {
			t.Errorf("the re-apply wrote (-want +got):\n%s", diff)
		}
	})
	t.Run("Faults", func(t *testing.T) {
		server.Kubectl(t, "", "create", "configmap", "owned-message")
		cases := map[string]struct {
			version string
			release helm.Release
			code    fault.Code
			text    string
		}{
			"Schema":    {"1.0.0", helm.Release{Name: "f1", Namespace: "default", Values: map[string]any{"replicas": "many"}}, fault.InvalidRequest, "replicas"},
			"Concealed": {"1.0.0", helm.Release{Name: "f2", Namespace: "default", Values: map[string]any{"code": "S3CRET"}}, fault.InvalidRequest, "does not match pattern"},
			"Required":  {"1.0.0", helm.Release{Name: "f3", Namespace: "default", Values: map[string]any{"message": nil}}, fault.InvalidRequest, "a message is required"},
			"Owned":     {"1.0.0", helm.Release{Name: "owned", Namespace: "default"}, fault.Conflict, "owned-message"},
			"NoKind":    {"3.0.0", helm.Release{Name: "f5", Namespace: "default"}, fault.Failed, "Unknown"},
			"Template":  {"4.0.0", helm.Release{Name: "f7", Namespace: "default"}, fault.InvalidRequest, "templates/deep.yaml"},
			"Version":   {"5.0.0", helm.Release{Name: "f8", Namespace: "default"}, fault.InvalidRequest, ">=1.99"},
			"Invalid":   {"1.0.0", helm.Release{Name: "f9", Namespace: "default", Values: map[string]any{"replicas": -1}}, fault.Failed, "spec.replicas"},
			"Namespace": {"1.0.0", helm.Release{Name: "f6", Namespace: "absent"}, fault.Failed, "absent"},
			"Name":      {"1.0.0", helm.Release{Name: "Not_A_Name", Namespace: "default"}, fault.InvalidRequest, "Not_A_Name"},
		}
		for name, tc := range cases {
			f := l.fails(t, tc.version, tc.release)
			if f.Code != tc.code || !strings.Contains(f.Message, tc.text) || strings.Contains(f.Message, "S3CRET") || strings.Contains(f.Message, "\n") {
				t.Errorf("%s: %s", name, f)
			}
		}
	})
	t.Run("UnknownKind", func(t *testing.T) {
		// A release with objects of a kind that has been removed can still be upgraded and uninstalled.
		chart := helmtest.Web("1.0.0")
		chart.Name = "gadget"
		chart.Files["crds/widgets.yaml"] = helmtest.Definition("widgets", "Widget", "w")
		chart.Files["templates/widget.yaml"] = "{{ if .Values.widget }}\napiVersion: test.example.com/v1\nkind: Widget\nmetadata: {name: w}\n{{ end }}"
		loaded, err := l.charts.Load(t.Context(), helm.Source{Chart: "gadget", Repository: helmtest.Repository(t, chart).URL})
		if err != nil {
			t.Fatal(err)
		}
		h := helm.New(client, helm.Options{Patience: time.Second})
		for _, name := range []string{"widget-a", "widget-b"} {
			release := helm.Release{Name: name, Namespace: "default", Values: map[string]any{"widget": name == "widget-a"}}
			if _, err := h.Apply(t.Context(), loaded, release); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.Apply(t.Context(), loaded, helm.Release{Name: "widget-a", Namespace: "default", Values: map[string]any{"widget": true, "message": "x"}}); err != nil {
			t.Fatal(err)
		}
		server.Kubectl(t, "", "delete", "crd", "widgets.test.example.com")
		if _, err := h.Apply(t.Context(), loaded, helm.Release{Name: "widget-a", Namespace: "default", Values: map[string]any{"widget": false}, SkipCRDs: true}); err != nil {
			t.Errorf("upgrade: %s", err)
		}
		if _, err := h.Uninstall(t.Context(), helm.Release{Name: "widget-a", Namespace: "default", Wait: true}); err != nil {
			t.Errorf("uninstall: %s", err)
		}
	})
	t.Run("NoDrift", func(t *testing.T) {
		// What the API server writes in another way, completes or drops is no drift.
		chart := helmtest.Web("1.0.0")
		chart.Name = "odd"
		chart.Files["templates/odd.yaml"] = odd
		loaded, err := l.charts.Load(t.Context(), helm.Source{Chart: "odd", Repository: helmtest.Repository(t, chart).URL})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []kube.Change{kube.Created, kube.Unchanged, kube.Unchanged} {
			results, err := helm.New(client, helm.Options{}).Apply(t.Context(), loaded, helm.Release{Name: "odd", Namespace: "default"})
			if err != nil || len(results) != 1 || results[0].Change != want {
				t.Fatalf("%v, %v; want %s", results, err, want)
			}
		}
		// Others' additions stay.
		server.Kubectl(t, "", "label", "service", "odd-service", "by=hand")
		if results, err := helm.New(client, helm.Options{}).Apply(t.Context(), loaded, helm.Release{Name: "odd", Namespace: "default"}); err != nil || results[0].Change != kube.Unchanged {
			t.Errorf("after an addition: %v, %v", results, err)
		}
	})
	t.Run("ForbiddenUninstall", func(t *testing.T) {
		l.apply(t, "1.0.0", helm.Release{Name: "kept", Namespace: "default"})
		server.Kubectl(t, "", "create", "role", "looks", "--verb=get,list", "--resource=configmaps,deployments.apps")
		server.Kubectl(t, "", "create", "role", "records", "--verb=*", "--resource=secrets")
		for _, role := range []string{"looks", "records"} {
			server.Kubectl(t, "", "create", "rolebinding", role, "--role="+role, "--user=looker")
		}
		config := rest.CopyConfig(server.Config)
		config.Impersonate.UserName = "looker"
		looker, err := kube.NewClient(config, kube.Options{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		change, err := helm.New(looker, helm.Options{}).Uninstall(t.Context(), helm.Release{Name: "kept", Namespace: "default"})
		if fault.CodeOf(err) != fault.AccessDenied || change != "" || !strings.Contains(err.Error(), "kept-message") || time.Since(start) > 10*time.Second {
			t.Errorf("after %s: %s, %v", time.Since(start), change, err)
		}
		if got := l.message(t, "kept"); got == "" {
			t.Error("the object is gone")
		}
		if change, err := helm.New(client, helm.Options{}).Uninstall(t.Context(), helm.Release{Name: "kept", Namespace: "default"}); err != nil || change != kube.Deleted {
			t.Errorf("by who may: %s, %v", change, err)
		}
		if got := l.message(t, "kept") + l.revisions(t, "kept"); got != "" {
			t.Errorf("left: %s", got)
		}
	})
	// These wait, and in parallel.
	t.Run("HeldUninstall", func(t *testing.T) {
		t.Parallel()
		release := helm.Release{Name: "held", Namespace: "default", Wait: true, Timeout: 3 * time.Second}
		l.apply(t, "1.0.0", helm.Release{Name: "held", Namespace: "default"})
		server.Kubectl(t, "", "patch", "configmap", "held-message", "-p", `{"metadata":{"finalizers":["example.com/hold"]}}`)
		_, err := helm.New(client, helm.Options{}).Uninstall(t.Context(), release)
		if f := fault.As(err); f.Code != fault.Failed || !strings.Contains(f.Message, "not gone after 3s: ConfigMap default/held-message") || !strings.Contains(f.Next, "finalizer") {
			t.Errorf("an object is held: %v", err)
		}
		server.Kubectl(t, "", "patch", "configmap", "held-message", "-p", `{"metadata":{"finalizers":null}}`)
		// All was deleted, and Helm has no record any more of what it waited for in vain.
		if change, err := helm.New(client, helm.Options{}).Uninstall(t.Context(), release); err != nil || change != kube.Unchanged {
			t.Errorf("after its finalizer is gone: %s, %v", change, err)
		}
		if got := l.message(t, "held") + l.revisions(t, "held"); got != "" {
			t.Errorf("left: %s", got)
		}
	})
	t.Run("NotReady", func(t *testing.T) {
		t.Parallel()
		release := helm.Release{Name: "stuck", Namespace: "default", Wait: true, Timeout: 3 * time.Second, Values: nowhere()}
		f := l.fails(t, "1.0.0", release)
		if f.Code != fault.Failed || !strings.Contains(f.Message, "Deployment is not ready: default/stuck") {
			t.Errorf("%s", f)
		}
		// The failed revision is upgraded from, as Helm's own command line does.
		l.apply(t, "1.0.0", helm.Release{Name: "stuck", Namespace: "default", Wait: true, Values: map[string]any{"message": "again"}})
	})
	t.Run("Abandon", func(t *testing.T) {
		release := helm.Release{Name: "left", Namespace: "default", Wait: true, Timeout: time.Second, Values: nowhere()}
		l.fails(t, "1.0.0", release)
		helmClient := helm.New(l.client, helm.Options{})
		if done, err := helmClient.Abandon(t.Context(), release); !done || err != nil {
			t.Errorf("Abandon: %t, %v", done, err)
		}
		if got := l.revisions(t, "left") + l.message(t, "left"); got != "" {
			t.Errorf("of what was never deployed there is %s", got)
		}
		// An upgrade that fails leaves what was deployed.
		l.apply(t, "1.0.0", helm.Release{Name: "left", Namespace: "default"})
		l.fails(t, "1.0.0", release)
		if done, err := helmClient.Abandon(t.Context(), release); done || err != nil {
			t.Errorf("Abandon of a release that was deployed: %t, %v", done, err)
		}
		if got := l.message(t, "left"); got == "" {
			t.Error("the deployed release is gone")
		}
	})
	t.Run("Atomic", func(t *testing.T) {
		t.Parallel()
		release := helm.Release{Name: "atomic", Namespace: "default", Atomic: true, Timeout: 3 * time.Second}
		l.apply(t, "1.0.0", release)
		bad := release
		bad.Values = nowhere()
		f := l.fails(t, "2.0.0", bad)
		if f.Code != fault.Failed || !strings.Contains(f.Message, "rolled back") {
			t.Errorf("%s", f)
		}
		if got := l.message(t, "atomic"); got != "hello 1.0.0" {
			t.Errorf("after the rollback: %q", got)
		}
		if diff := cmp.Diff([]string{"Release default/atomic unchanged"}, l.apply(t, "1.0.0", release)); diff != "" {
			t.Errorf("apply what it was rolled back to (-want +got):\n%s", diff)
		}
		first := bad
		first.Name = "atomicnew"
		if f := l.fails(t, "1.0.0", first); !strings.Contains(f.Message, "uninstalled") {
			t.Errorf("%s", f)
		}
		if got := l.revisions(t, "atomicnew"); got != "" {
			t.Errorf("left of the failed installation: %s", got)
		}
	})
	t.Run("Recover", func(t *testing.T) {
		t.Parallel()
		now := time.Now()
		cases := map[string]struct {
			status          string
			since, deadline time.Time
			recovers        bool
		}{
			"install-old":     {"pending-install", now.Add(-20 * time.Minute), now.Add(time.Hour), true},
			"install-dead":    {"pending-install", now.Add(-3 * time.Minute), now.Add(-time.Minute), true},
			"install-live":    {"pending-install", now.Add(-3 * time.Minute), now.Add(time.Minute), false},
			"upgrade-dead":    {"pending-upgrade", now.Add(-3 * time.Minute), now.Add(-time.Minute), true},
			"upgrade-live":    {"pending-upgrade", now.Add(-3 * time.Minute), now.Add(time.Minute), false},
			"rollback-old":    {"pending-rollback", now.Add(-20 * time.Minute), now, true},
			"rollback-recent": {"pending-rollback", now.Add(-3 * time.Minute), now.Add(-time.Minute), false},
		}
		recovers := func(t *testing.T, name string, status string, since, deadline time.Time, recovered bool) {
			release := helm.Release{Name: name, Namespace: "default", Values: map[string]any{"message": "new"}}
			l.apply(t, "1.0.0", helm.Release{Name: name, Namespace: "default"})
			revision := 1
			if status != "pending-install" {
				l.apply(t, "2.0.0", helm.Release{Name: name, Namespace: "default", Values: map[string]any{"extra": true}})
				server.Kubectl(t, "", "label", "secret", "sh.helm.release.v1."+name+".v1", "status=deployed", "--overwrite")
				revision = 2
			}
			l.lock(t, name, revision, status, since, deadline)
			if !recovered {
				if f := l.fails(t, "2.0.0", release); f.Code != fault.InProgress {
					t.Errorf("%s: %s", name, f)
				}
				return
			}
			l.apply(t, "2.0.0", release)
			if got := l.message(t, name); got != "new 2.0.0" {
				t.Errorf("%s: %q", name, got)
			}
			if got := server.Kubectl(t, "", "get", "configmap", name+"-extra", "--ignore-not-found"); got != "" {
				t.Errorf("%s: what the cut-off upgrade made is left: %s", name, got)
			}
		}
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				recovers(t, name, tc.status, tc.since, tc.deadline, tc.recovers)
			})
		}
	})
	t.Run("CutOff", func(t *testing.T) {
		t.Parallel()
		// An invocation that runs out of time records how it ended; nothing of it goes on.
		ctx, cancel := context.WithTimeout(t.Context(), 18*time.Second)
		defer cancel()
		start := time.Now()
		_, err := helm.New(client, helm.Options{}).Apply(ctx, l.chart(t, "1.0.0"),
			helm.Release{Name: "cut", Namespace: "default", Wait: true, Timeout: 15 * time.Minute, Values: nowhere()})
		if fault.CodeOf(err) != fault.Failed || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if got := l.revisions(t, "cut"); got != "1 failed; " {
			t.Errorf("revisions: %s", got)
		}
	})
}
