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
