// Package helmtest gives tests charts, and a repository that serves them.
package helmtest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// Chart is a chart's content.
type Chart struct {
	Name, Version string
	// Files are further files by their path, such as templates/service.yaml.
	Files map[string]string
}

// Web returns a chart with a Deployment that nodeSelector can keep from being scheduled, a ConfigMap
// with the value message, a Secret's worth of schema, and a CustomResourceDefinition.
func Web(version string) Chart {
	return Chart{Name: "web", Version: version, Files: map[string]string{
		"values.yaml": "message: hello\nreplicas: 1\nnodeSelector: {}\nextra: false\n",
		"values.schema.json": `{"type":"object","properties":{
			"message":{"type":"string"},
			"replicas":{"type":"integer"},
			"code":{"type":"string","pattern":"^[a-z]+$"}}}`,
		"templates/deployment.yaml": `
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      nodeSelector: {{ toJson .Values.nodeSelector }}
      containers: [{name: web, image: "example.com/web:1"}]
`,
		"templates/message.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-message}
data: {message: {{ required "a message is required" .Values.message | quote }}, chart: {{ .Chart.Version | quote }}}
`,
		"templates/extra.yaml": `{{ if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra}
{{ end }}`,
		"crds/gadgets.yaml": Definition("gadgets", "Gadget", version),
	}}
}

// Definition returns a CustomResourceDefinition in the group test.example.com, described by a text.
func Definition(plural, kind, description string) string {
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.test.example.com}
spec:
  group: test.example.com
  scope: Namespaced
  names: {plural: %[1]s, singular: %[1]sone, kind: %[2]s}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, description: %[3]q}}
`, plural, kind, description)
}

// files returns all files, with the Chart.yaml.
func (c Chart) files() map[string]string {
	files := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", c.Name, c.Version)}
	maps.Copy(files, c.Files)
	return files
}

// Archive returns the chart as a .tgz.
func (c Chart) Archive(t testing.TB) []byte {
	t.Helper()
	var buffer bytes.Buffer
	compressed := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(compressed)
	files := c.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		if err := archive.WriteHeader(&tar.Header{Name: c.Name + "/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// Zip returns the chart as the CDK's assets are: a zip file whose entries are below prefix.
func (c Chart) Zip(t testing.TB, prefix string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	files := c.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entry, err := archive.Create(prefix + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// Repository starts a chart repository that lives as long as the test.
func Repository(t testing.TB, charts ...Chart) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	entries := map[string][]any{}
	for _, chart := range charts {
		archive := chart.Archive(t)
		sum := sha256.Sum256(archive)
		file := fmt.Sprintf("%s-%s.tgz", chart.Name, chart.Version)
		entries[chart.Name] = append(entries[chart.Name], map[string]any{
			"apiVersion": "v2", "name": chart.Name, "version": chart.Version,
			"urls": []string{"charts/" + file}, "digest": hex.EncodeToString(sum[:]),
		})
		mux.HandleFunc("/charts/"+file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	}
	index, err := json.Marshal(map[string]any{"apiVersion": "v1", "entries": entries})
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(index) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// Decode reads a release's record, as the data of its Secret has it.
func Decode(t testing.TB, data string) map[string]any {
	t.Helper()
	once, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := base64.StdEncoding.DecodeString(string(once))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(twice))
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := json.NewDecoder(reader).Decode(&content); err != nil {
		t.Fatal(err)
	}
	return content
}

// Encode makes a release's record, to be encoded once more as a Secret's data is.
func Encode(t testing.TB, content map[string]any) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if err := json.NewEncoder(writer).Encode(content); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(buffer.Bytes())
}
