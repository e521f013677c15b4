package kubectl_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/helm/helmtest"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

func TestChartWithoutCluster(t *testing.T) {
	f := newFunction(t)
	f.connector.client, f.connector.err = nil, kube.ErrClusterNotFound
	// What is wrong with the other properties keeps nothing from being deleted.
	if answer, code, message := f.invoke(t, event("Delete", "HelmChart", `"Release":"r","Values":"[","Timeout":"x","Wait":"x"`)); answer != "null" {
		t.Errorf("%s %s", code, message)
	}
	if _, code, _ := f.invoke(t, event("Create", "HelmChart", `"Release":"r","Chart":"c"`)); code == "" {
		t.Error("a chart was installed without a cluster")
	}
}

// TestLiveCharts goes through the protocol against a real API server.
func TestLiveCharts(t *testing.T) {
	const secret = "planted-secret"
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	temporary, home, cache := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("HOME", home)
	// That of the test's own kubectl.
	t.Setenv("KUBECACHEDIR", cache)
	log := &bytes.Buffer{}
	f := &function{log: log, Handler: kubectl.New(kubectl.Options{
		Roles:         kubectl.Roles{"*"},
		Connector:     &connector{client: client},
		Charts:        helm.NewCharts(aws.Config{}, nil),
		ChartPatience: 30 * time.Second,
		Log:           slog.New(slog.NewJSONHandler(log, nil)),
	})}
	repository := helmtest.Repository(t, helmtest.Web("1.0.0"), helmtest.Web("2.0.0")).URL
	properties := func(release, namespace, version, more string) string {
		return fmt.Sprintf(`"Release":%q,"Namespace":%q,"Chart":"web","Version":%q,"Repository":%q,"CreateNamespace":"true"%s`,
			release, namespace, version, repository, more)
	}
	update := func(before, now string) string {
		return strings.TrimSuffix(event("Update", "HelmChart", now), "}") + `,"OldResourceProperties":{"ClusterName":"dev-shop-cluster",` + before + `}}`
	}
	ok := func(reason, payload, want string) {
		t.Helper()
		start := time.Now()
		answer, code, message := f.invoke(t, payload)
		if diff := cmp.Diff(want, answer); diff != "" {
			t.Errorf("%s (-want +got):\n%s%s %s", reason, diff, code, message)
		}
		t.Logf("%s: %s", reason, time.Since(start))
	}
	changes := func(list ...string) string {
		var entries []map[string]string
		for _, entry := range list {
			object, change, _ := strings.Cut(entry, ": ")
			entries = append(entries, map[string]string{"object": object, "change": change})
		}
		var texts []string
		for _, entry := range entries {
			texts = append(texts, fmt.Sprintf(`{"object":%q,"change":%q}`, entry["object"], entry["change"]))
		}
		value, err := json.Marshal("[" + strings.Join(texts, ",") + "]")
		if err != nil {
			t.Fatal(err)
		}
		return `{"Data":{"Value":` + string(value) + `}}`
	}
	first := properties("shop", "one", "1.0.0", `,"Values":"{\"message\":\"`+secret+`\"}","Wait":"true","Timeout":"900s"`)
	ok("Create", event("Create", "HelmChart", first), "null")
	ok("Create again", event("Create", "HelmChart", first+`,"ReportChanges":"true"`), changes("Release one/shop: unchanged"))
	planned := func(entries string) string { return `{"Data":{"Value":` + quoted(t, "["+entries+"]") + `}}` }
	ok("Plan of what is there", event("Plan", "HelmChart", first), planned(`{"object":"Release one/shop","change":"unchanged"}`))
	ok("Plan of another version", event("Plan", "HelmChart", properties("shop", "one", "2.0.0", `,"Values":{"message":"m"},"UpgradeCrds":"true"`)), planned(
		`{"object":"CustomResourceDefinition gadgets.test.example.com","change":"updated","details":["metadata.annotations","spec.versions"]},`+
			`{"object":"Release one/shop","change":"updated","details":["revision 1 becomes 2","chart web 1.0.0 becomes web 2.0.0","value message"]}`))
	ok("Plan of a new release", event("Plan", "HelmChart", properties("new", "two", "1.0.0", "")), planned(`{"object":"Release two/new","change":"created","details":["chart web 1.0.0"]}`))
	ok("Create once more", event("Create", "HelmChart", first+`,"ReportChanges":"true"`), changes("Release one/shop: unchanged"))
	ok("Update", event("Update", "HelmChart", properties("shop", "one", "2.0.0", `,"ReportChanges":true,"Atomic":true,"Timeout":60,"SkipCrds":"false"`)), changes("Release one/shop: updated"))
	if got := server.Kubectl(t, "", "get", "configmap", "-n", "one", "shop-message", "-o", "jsonpath={.data}"); got != `{"chart":"2.0.0","message":"`+secret+`"}` {
		t.Errorf("after the Update: %s", got)
	}
	moved := properties("shop", "two", "2.0.0", `,"Values":{"message":"an object"},"ReportChanges":"true","UpgradeCrds":"true"`)
	ok("Update to another namespace", update(first, moved), changes(
		"CustomResourceDefinition gadgets.test.example.com: updated", "Release two/shop: created", "Release one/shop: deleted"))
	ok("Update to what it is", update(first, moved), changes(
		"CustomResourceDefinition gadgets.test.example.com: unchanged", "Release two/shop: unchanged", "Release one/shop: unchanged"))
	if got := server.Kubectl(t, "", "get", "configmap", "-A", "-o", `jsonpath={range .items[?(@.metadata.name=="shop-message")]}{.metadata.namespace}{.data.message}{end}`); got != "twoan object" {
		t.Errorf("after the move: %s", got)
	}
	ok("Delete", event("Delete", "HelmChart", moved), changes("Release two/shop: deleted"))
	ok("Delete again", event("Delete", "HelmChart", moved), changes("Release two/shop: unchanged"))
	_, code, message := f.invoke(t, event("Create", "HelmChart", properties("bad", "one", "1.0.0", `,"Values":"{\"code\":\"`+secret+`\"}"`)))
	if code != "InvalidRequest" || strings.Contains(message, secret) {
		t.Errorf("%s %s", code, message)
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log has a value:\n%s", log)
	}
	// A sandbox serves many requests, and the next one must find nothing of this one's.
	for _, dir := range []string{temporary, home} {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("files are left: %v, %v", left, err)
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	value, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// TestLiveWebhook installs beside a webhook whose pods come late, as the load balancer controller's do.
func TestLiveWebhook(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &function{Handler: kubectl.New(kubectl.Options{
		Roles:     kubectl.Roles{"*"},
		Connector: &connector{client: client},
		Charts:    helm.NewCharts(aws.Config{}, nil),
		Log:       slog.New(slog.DiscardHandler),
	})}
	const webhook = `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"late"},"webhooks":[{
		"name":"late.test.example.com","admissionReviewVersions":["v1"],"sideEffects":"None","failurePolicy":"Fail",
		"clientConfig":{"service":{"namespace":"default","name":"late"}},
		"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}]}]}`
	server.Kubectl(t, "", "create", "service", "clusterip", "late", "--tcp=443")
	server.Kubectl(t, webhook, "create", "-f", "-")
	web := helmtest.Web("1.0.0")
	web.Files["templates/hook.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: after-install, annotations: {helm.sh/hook: post-install}}\n"
	repository := helmtest.Repository(t, web).URL
	done := make(chan string, 1)
	go func() {
		_, code, message := f.invoke(t, event("Create", "HelmChart", fmt.Sprintf(`"Release":"shop","Chart":"web","Repository":%q`, repository)))
		done <- code + " " + message
	}()
	// The webhook goes once the first attempt has failed for it.
	for deadline := time.After(time.Minute); ; {
		if strings.Contains(server.Kubectl(t, "", "get", "secrets", "-l", "owner=helm", "-o", "jsonpath={.items[*].metadata.labels.status}"), "failed") {
			break
		}
		select {
		case got := <-done:
			t.Fatalf("ended before the webhook was ready: %s", got)
		case <-deadline:
			t.Fatal("no attempt has failed")
		case <-time.After(100 * time.Millisecond):
		}
	}
	server.Kubectl(t, "", "delete", "mutatingwebhookconfiguration", "late")
	if got := <-done; got != " " {
		t.Error(got)
	}
	if server.Kubectl(t, "", "get", "secret", "after-install", "--ignore-not-found", "-o", "name") == "" {
		t.Error("the hook that follows an installation was left out")
	}
}
