package kubectl_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

// TestLiveValuesAreKubectls reads with the function and with kubectl, and expects the same text.
func TestLiveValuesAreKubectls(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &function{Handler: kubectl.New(kubectl.Options{
		Roles:     kubectl.Roles{"*"},
		Connector: &connector{client: client},
		Log:       slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})}
	documents := `"Manifest":"[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"labels\":{\"app\":\"x\"}},\"data\":{\"k\":\"<caf\u00e9>\"}},null,
		{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\",\"labels\":{\"app\":\"x\"}},\"data\":{\"k\":\"2\"}}]"`
	documents = strings.ReplaceAll(strings.ReplaceAll(documents, "\n", ""), "\t", "")
	if _, code, message := f.invoke(t, event("Create", "KubernetesResource", documents)); code != "" {
		t.Fatal(code, message)
	}
	cases := map[string]struct {
		kind, name, labels, path string
	}{
		"Whole":      {"configmap", "a", "", "@"},
		"Field":      {"cm", "a", "", ".data.k"},
		"Map":        {"configmaps", "a", "", ".metadata.labels"},
		"List":       {"configmaps", "", "app=x", "@"},
		"EmptyList":  {"deployments", "", "app=x", "@"},
		"Items":      {"configmaps", "", "app=x", ".items[*].metadata.name"},
		"Filter":     {"configmaps", "", "app=x", `.items[?(@.data.k=="2")].metadata.name`},
		"Range":      {"configmaps", "", "app=x", `range .items[*]}{.metadata.name}{"\n"}{end`},
		"ClusterOne": {"ns", "default", "", ".status.phase"},
		"Qualified":  {"deployments.v1.apps,configmaps", "", "app=x", ".items[*].kind"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			arguments := []string{"get", "-n", "default", tc.kind, "-o", "jsonpath={" + tc.path + "}"}
			if tc.name != "" {
				arguments = append(arguments, tc.name)
			}
			if tc.labels != "" {
				arguments = append(arguments, "-l", tc.labels)
			}
			want := server.Kubectl(t, "", arguments...)
			path, err := json.Marshal(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			answer, code, message := f.invoke(t, event("Create", "KubernetesObjectValue",
				`"ObjectType":"`+tc.kind+`","ObjectName":"`+tc.name+`","ObjectLabels":"`+tc.labels+`","TimeoutSeconds":"5","JsonPath":`+string(path)))
			t.Logf("answered in %s", time.Since(start))
			var got struct{ Data struct{ Value string } }
			if err := json.Unmarshal([]byte(answer), &got); err != nil {
				t.Fatal(code, message)
			}
			if diff := cmp.Diff(want, got.Data.Value); diff != "" {
				t.Errorf("value (-kubectl +ours):\n%s", diff)
			}
		})
	}
}

// TestLiveSecretIsInNoMessage sends Secrets that a real API server refuses, each in its own way.
func TestLiveSecretIsInNoMessage(t *testing.T) {
	const planted = "hunter2"
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f := &function{Handler: kubectl.New(kubectl.Options{
		Roles:     kubectl.Roles{"*"},
		Connector: &connector{client: client},
		Log:       slog.New(slog.DiscardHandler),
	})}
	cases := map[string]struct{ reason, object string }{
		"Key":  {"a key that is none", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a b":"hunter2"}}`},
		"Data": {"data that is not encoded", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":"hunter2!"}}`},
		"Type": {"an object in the place of text", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":{"hunter2":1}}}`},
		"List": {"a value of a wrong type", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s"},"data":{"a":["hunter2"]}}`},
		"Pod":  {"an environment variable in a Pod that is not valid", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"s"},"spec":{"containers":[{"name":"a","image":"a","env":[{"name":"A","value":["hunter2"]}]}]}}`},
		"Enum": {"a value that is not one of some", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"hunter2","ports":[{"port":1}]}}`},
	}
	for name, tc := range cases {
		for _, request := range []string{"Create", "Update"} {
			t.Run(name+request, func(t *testing.T) {
				text, err := json.Marshal("[" + tc.object + "]")
				if err != nil {
					t.Fatal(err)
				}
				_, code, message := f.invoke(t, event(request, "KubernetesResource", `"Manifest":`+string(text)))
				t.Logf("%s: %s", code, message)
				if code == "" || strings.Contains(message, planted) {
					t.Errorf("%s: %s %s", tc.reason, code, message)
				}
			})
		}
	}
}
