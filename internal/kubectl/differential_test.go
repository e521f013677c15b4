package kubectl_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

// compared are the kinds that are compared in a case's namespace.
const compared = "configmaps,secrets,services,serviceaccounts,deployments.apps,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"

// everywhere are the kinds that are compared by the label "differential".
const everywhere = "namespaces,clusterroles.rbac.authorization.k8s.io,customresourcedefinitions.apiextensions.k8s.io"

// differential is a case of testdata/differential.yaml.
type differential struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Differs string `json:"differs"`
	Steps   []step `json:"steps"`
	// Also names a further kind to compare in the namespace.
	Also []string `json:"also"`
}

// step is a request of the function, or a command of kubectl that prepares both sides.
type step struct {
	Kubectl    string         `json:"kubectl"`
	Request    string         `json:"request"`
	Resource   string         `json:"resource"`
	Objects    []any          `json:"objects"`
	Properties map[string]any `json:"properties"`
	// Succeeds is the outcome where it is meant to differ from kubectl's.
	Succeeds *bool `json:"succeeds"`
}

// in is the step for one of the namespaces.
func (s step) in(t *testing.T, namespace string) step {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var placed step
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "NAMESPACE", namespace)), &placed); err != nil {
		t.Fatal(err)
	}
	return placed
}

// stream is the step's objects as kubectl gets them from CDK's handler: one after the other.
func (s step) stream(t *testing.T) string {
	t.Helper()
	var stream strings.Builder
	for _, object := range s.Objects {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(text)
	}
	return stream.String()
}

// command is what CDK's handler runs for the step (kubectl-protocol.md, sections 1B and 1C).
func (s step) command() []string {
	if s.Resource == "KubernetesPatch" {
		patch := s.Properties["ApplyPatchJson"]
		if s.Request == "Delete" {
			patch = s.Properties["RestorePatchJson"]
		}
		return []string{
			"patch", s.Properties["ResourceName"].(string), "-n", s.Properties["ResourceNamespace"].(string),
			"-p", patch.(string), "--type", s.Properties["PatchType"].(string),
		}
	}
	var command []string
	switch overwrite := s.Properties["Overwrite"]; {
	case s.Request == "Delete":
		return []string{"delete", "-f", "-"}
	case s.Request == "Update", overwrite == "true", overwrite == true:
		command = []string{"apply", "-f", "-"}
	default:
		command = []string{"create", "-f", "-", "--save-config"}
	}
	if s.Properties["SkipValidation"] == "true" {
		command = append(command, "--validate=false")
	}
	if label, ok := s.Properties["PruneLabel"].(string); ok && s.Request == "Update" {
		command = append(command, "--prune", "-l", label)
	}
	return command
}

// event is the step as a request of the function.
func (s step) event(t *testing.T) string {
	t.Helper()
	properties := map[string]any{"ClusterName": "c", "RoleArn": "arn:aws:iam::222222222222:role/admin"}
	for name, value := range s.Properties {
		properties[name] = value
	}
	resource := "KubernetesResource"
	if s.Resource != "" {
		resource = s.Resource
	} else {
		manifest, err := json.Marshal(s.Objects)
		if err != nil {
			t.Fatal(err)
		}
		properties["Manifest"] = string(manifest)
	}
	text, err := json.Marshal(map[string]any{
		"RequestType":        s.Request,
		"ResourceType":       "Custom::AWSCDK-EKS-" + resource,
		"ResourceProperties": properties,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// differentials reads the cases.
func differentials(t *testing.T) []differential {
	t.Helper()
	text, err := os.ReadFile("testdata/differential.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []differential `json:"cases"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

// At least 60 requests are sent both ways and the objects compared that result.
func TestDifferentialCompares(t *testing.T) {
	requests := 0
	for _, tc := range differentials(t) {
		for _, s := range tc.Steps {
			if s.Request != "" && tc.Differs == "" {
				requests++
			}
		}
	}
	if requests < 60 {
		t.Errorf("%d requests are compared", requests)
	}
}

// TestLiveDifferential runs every request through the function and through kubectl, and compares the
// outcomes and the objects.
func TestLiveDifferential(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f := &function{Handler: kubectl.New(kubectl.Options{
		Roles:     kubectl.Roles{"*"},
		Connector: &connector{client: client},
		Log:       slog.New(slog.DiscardHandler),
	})}
	for _, tc := range differentials(t) {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			sides := map[string]string{"ours": "ours-" + strings.ToLower(tc.Name), "kubectl": "kubectl-" + strings.ToLower(tc.Name)}
			for _, namespace := range sides {
				server.Kubectl(t, "", "create", "namespace", namespace)
			}
			for i, abstract := range tc.Steps {
				ours, theirs := abstract.in(t, sides["ours"]), abstract.in(t, sides["kubectl"])
				if abstract.Kubectl != "" {
					prepare(t, server, ours)
					prepare(t, server, theirs)
					continue
				}
				_, code, message := f.invoke(t, ours.event(t))
				out, err := server.TryKubectl(t, theirs.stream(t), theirs.command()...)
				// CDK's handler answers with success whatever comes of a deletion.
				want := err == nil || theirs.Request == "Delete" && theirs.Resource == ""
				if abstract.Succeeds != nil {
					want = *abstract.Succeeds
				}
				if got := code == ""; got != want {
					t.Errorf("step %d: ours succeeds: %t (%s: %s)\nkubectl: %v %s", i+1, got, code, message, err, out)
				}
			}
			if tc.Differs != "" {
				return
			}
			want, got := held(t, server, tc, sides["kubectl"]), held(t, server, tc, sides["ours"])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nobjects (-kubectl +ours):\n%s", tc.Reason, diff)
			}
		})
	}
}

// prepare runs a step's kubectl command.
func prepare(t *testing.T, server *kubetest.Server, s step) {
	t.Helper()
	arguments := strings.Fields(s.Kubectl)
	if len(s.Objects) > 0 {
		arguments = append(arguments, "-f", "-")
	}
	server.Kubectl(t, s.stream(t), arguments...)
}

// held are what a side holds at the end, by kind and name, without what differs from side to side.
func held(t *testing.T, server *kubetest.Server, tc differential, namespace string) map[string]any {
	t.Helper()
	kinds := compared
	for _, kind := range tc.Also {
		kinds += "," + strings.ReplaceAll(kind, "NAMESPACE", namespace)
	}
	found := map[string]any{}
	for _, arguments := range [][]string{
		{"get", kinds, "-n", namespace, "-o", "json"},
		{"get", everywhere, "-l", "differential=" + namespace, "-o", "json"},
	} {
		text := strings.ReplaceAll(server.Kubectl(t, "", arguments...), namespace, "NAMESPACE")
		var list struct{ Items []map[string]any }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			metadata := item["metadata"].(map[string]any)
			for _, name := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
				delete(metadata, name)
			}
			if annotations, ok := metadata["annotations"].(map[string]any); ok {
				var applied any
				if text, ok := annotations["kubectl.kubernetes.io/last-applied-configuration"].(string); ok {
					if err := json.Unmarshal([]byte(text), &applied); err != nil {
						t.Fatal(err)
					}
					annotations["kubectl.kubernetes.io/last-applied-configuration"] = withoutNulls(applied)
				}
			}
			if spec, ok := item["spec"].(map[string]any); ok {
				delete(spec, "clusterIP")
				delete(spec, "clusterIPs")
			}
			delete(item, "status")
			// What a namespace has by itself.
			if name := metadata["name"].(string); name != "kube-root-ca.crt" && name != "default" {
				found[item["kind"].(string)+"/"+name] = item
			}
		}
	}
	return found
}

// withoutNulls is a document without its null members, which kubectl writes into the annotation and
// reads as absent.
func withoutNulls(document any) any {
	object, ok := document.(map[string]any)
	if !ok {
		return document
	}
	for name, member := range object {
		if member == nil {
			delete(object, name)
		} else {
			object[name] = withoutNulls(member)
		}
	}
	return object
}
