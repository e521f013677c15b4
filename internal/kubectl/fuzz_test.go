package kubectl

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
)

// FuzzDecode reads events of any form: each is a request or refused with a message, and the same
// properties give the same values.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		request, err := customresource.Parse(payload)
		if err != nil {
			return
		}
		event, err := decode(request)
		if err != nil {
			return
		}
		for name := range event.Properties {
			text := event.Properties.Text(name)
			if again := event.Properties.Text(name); again != text {
				t.Errorf("property %q reads as %q, then as %q", name, text, again)
			}
			if flag, err := event.Properties.Flag(name); err == nil && flag && text == "" {
				t.Errorf("property %q is true without a text", name)
			}
			if seconds, err := event.Properties.Seconds(name, 0); err == nil && seconds < 0 {
				t.Errorf("property %q is %f seconds", name, seconds)
			}
		}
	})
}

// FuzzManifest splits manifests: no null comes through, no List is left, and the refusal of a text
// does not quote it.
func FuzzManifest(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := parseManifest(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Errorf("the error quotes the manifest: %s", err)
			}
			return
		}
		for _, object := range objects {
			if object == nil || object.Object == nil {
				t.Fatal("an object that is null")
			}
			if _, isList := object.Object["items"].([]any); isList && object.GetKind() == "List" {
				t.Error("a List that is not taken apart")
			}
		}
	})
}

// FuzzDocuments splits files of JSON and YAML, as ManifestURL names them.
func FuzzDocuments(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		documents, err := documentsOf(content)
		if err != nil {
			return
		}
		objects, err := flatten(nil, documents, "ManifestURL")
		if err == nil && len(objects) > len(content) {
			t.Errorf("%d objects in %d bytes", len(objects), len(content))
		}
	})
}

// FuzzQuery reads JSONPath expressions and applies those that are valid to an object.
func FuzzQuery(f *testing.F) {
	object := map[string]any{
		"kind":     "Service",
		"metadata": map[string]any{"name": "web", "labels": map[string]any{"app": "web"}},
		"spec":     map[string]any{"ports": []any{map[string]any{"port": int64(80)}, map[string]any{"port": 1.5}}, "ready": true},
		"status":   nil,
	}
	f.Fuzz(func(t *testing.T, path string) {
		begun := time.Now()
		q, err := queryOf(Properties{"ObjectType": "service", "JsonPath": path})
		if err != nil {
			return
		}
		var text bytes.Buffer
		// Whatever comes of it, it ends.
		_ = q.template.Execute(&text, object)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%q took %s", path, took)
		}
	})
}
