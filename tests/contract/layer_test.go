package contract_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layerFolders is the one place that names the Kubernetes minor versions with a kubectl: a folder for
// each. Everything else that names them is held to it here.
const layerFolders = "layers/kubectl"

// minors lists the folders.
func minors(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, layerFolders, "1.*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

// The minors in EKS' standard support on 2026-11-22 (kubectl-protocol.md, section 4.1).
func TestLayersAreThoseOfStandardSupport(t *testing.T) {
	if diff := cmp.Diff([]string{"1.34", "1.35", "1.36", "1.37"}, minors(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTemplateHasEveryLayer(t *testing.T) {
	tmpl, pairs, ids := template(t), []string{}, []string{}
	for _, minor := range minors(t) {
		id := "KubectlLayer" + strings.ReplaceAll(minor, ".", "")
		ids = append(ids, id)
		pairs = append(pairs, fmt.Sprintf("%s=${%s}", minor, id))
		layer := tmpl.resources("AWS::Serverless::LayerVersion")[id]
		if layer == nil {
			t.Fatalf("%s has no %s", templateFile, id)
		}
		if got := tmpl.property(layer, "ContentUri"); got != layerFolders+"/"+minor {
			t.Errorf("%s is built from %v", id, got)
		}
		if got, want := tmpl.property(layer, "Description"), "kubectl "+layerVersion(t, minor)+" in /opt/kubectl"; got != want {
			t.Errorf("%s is described as %q, its go.mod makes it %q", id, got, want)
		}
		if got := at(tmpl.property(layer, "LayerName"), "Fn::Sub"); got != "${AWS::StackName}-kubectl-"+strings.ReplaceAll(minor, ".", "-") {
			t.Errorf("%s is called %v", id, got)
		}
	}
	if got := len(tmpl.resources("AWS::Serverless::LayerVersion")); got != len(ids) {
		t.Errorf("%d layers for %d folders", got, len(ids))
	}
	for _, name := range []string{"PreflightFunction", "DeployKubectlFunction"} {
		variables := at(tmpl.property(tmpl.functions()[name], "Environment"), "Variables")
		if got := at(variables, "KUBECTL_LAYERS", "Fn::Sub"); got != strings.Join(pairs, ",") {
			t.Errorf("%s has KUBECTL_LAYERS %v", name, got)
		}
	}
	for _, statement := range statements(tmpl.functions()["DeployKubectlFunction"]) {
		if statement["Sid"] != "ReadLayers" {
			continue
		}
		var may []string
		for _, resource := range statement["Resource"].([]any) {
			may = append(may, ref(resource))
		}
		if diff := cmp.Diff(ids, may); diff != "" {
			t.Errorf("the layers that DeployKubectl may read (-want +got):\n%s", diff)
		}
	}
}

// The master copy refuses to run any kubectl but that of its own layer.
func TestMasterCopyKnowsItsLayer(t *testing.T) {
	tmpl := template(t)
	function := tmpl.functions()["KubectlFunction"]
	layers, _ := tmpl.property(function, "Layers").([]any)
	minor := fmt.Sprint(at(tmpl.property(function, "Environment"), "Variables", "KUBECTL_MINOR"))
	if len(layers) != 1 || ref(layers[0]) != "KubectlLayer"+strings.ReplaceAll(minor, ".", "") || !slices.Contains(minors(t), minor) {
		t.Errorf("layers %v, KUBECTL_MINOR %s", layers, minor)
	}
}

// Each folder holds the kubectl of its own minor version, stamped by the recipe that all share.
func TestLayerFolders(t *testing.T) {
	for _, minor := range minors(t) {
		if !strings.HasPrefix(layerVersion(t, minor), minor+".") {
			t.Errorf("%s holds kubectl %s", minor, layerVersion(t, minor))
		}
		if recipe := string(read(t, filepath.Join(layerFolders, minor, "Makefile"))); !strings.Contains(recipe, "include ../layer.mk") {
			t.Errorf("the Makefile of %s is not the shared one", minor)
		}
		if _, err := os.Stat(filepath.Join(root, layerFolders, minor, "go.sum")); err != nil {
			t.Error(err)
		}
	}
	recipe := string(read(t, layerFolders+"/layer.mk"))
	for _, part := range []string{"-trimpath", "-buildvcs=false", "-buildid=", "CGO_ENABLED=0", "gitVersion=$(VERSION)", "k8s.io/component-base/version"} {
		if !strings.Contains(recipe, part) {
			t.Errorf("layer.mk has no %s: the bytes would differ from build to build, or be unstamped", part)
		}
	}
}

var kubectlModule = regexp.MustCompile(`(?m)^\s*k8s\.io/kubectl v0\.(\S+)$`)

// layerVersion is the version of kubectl in a layer's go.mod.
func layerVersion(t *testing.T, minor string) string {
	t.Helper()
	found := kubectlModule.FindSubmatch(read(t, filepath.Join(layerFolders, minor, "go.mod")))
	if found == nil {
		t.Fatalf("the go.mod of layer %s names no kubectl", minor)
	}
	return "1." + string(found[1])
}
