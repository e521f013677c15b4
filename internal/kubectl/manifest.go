package kubectl

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/harmonix-eks/environment-provider/internal/file"
)

// manifestLimit bounds a manifest in S3, compressed and unpacked.
const manifestLimit = 16 << 20

// Files reads the files that a request names by their addresses.
type Files interface {
	Read(ctx context.Context, address, what, field string, limit int64) ([]byte, error)
}

var _ Files = (*file.Reader)(nil)

// manifest is a manifest as a request has it: as such, or by its address.
type manifest struct {
	// property is the property that has it.
	property string
	objects  []*unstructured.Unstructured
	url      string
}

// manifestOf reads the manifest of a resource's properties, or where it is. A stack's properties
// cannot hold one that is larger than CloudFormation's event, so ManifestURL names one in S3.
func manifestOf(properties Properties) (manifest, error) {
	url := properties.Text("ManifestURL")
	if url == "" {
		text, err := properties.Required("Manifest")
		if err != nil {
			return manifest{}, err
		}
		objects, err := parseManifest(text)
		return manifest{property: "Manifest", objects: objects}, err
	}
	if properties.Text("Manifest") != "" {
		return manifest{}, invalid("ManifestURL", "excludes Manifest")
	}
	if !strings.HasPrefix(url, "s3://") {
		return manifest{}, invalid("ManifestURL", "is not of the form s3://bucket/key")
	}
	return manifest{property: "ManifestURL", url: url}, nil
}

// read returns the objects of a manifest. One in S3 may be JSON or YAML, and compressed by gzip.
func (h *Handler) read(ctx context.Context, m manifest) ([]*unstructured.Unstructured, error) {
	if m.url == "" {
		return m.objects, nil
	}
	content, err := h.options.Files.Read(ctx, m.url, "the manifest", "/ResourceProperties/ManifestURL", manifestLimit)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		if content, err = unpacked(content); err != nil {
			return nil, invalid("ManifestURL", "names a file that cannot be unpacked: %s", err)
		}
	}
	documents, err := documentsOf(content)
	if err != nil {
		return nil, invalid("ManifestURL", "names a file that is neither JSON nor YAML")
	}
	return flatten(nil, documents, "ManifestURL")
}

// unpacked unpacks a file that gzip made.
func unpacked(content []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, errors.New("it is damaged")
	}
	text, err := io.ReadAll(io.LimitReader(reader, manifestLimit+1))
	switch {
	case err != nil:
		return nil, errors.New("it is damaged")
	case len(text) > manifestLimit:
		return nil, &file.SizeError{Limit: manifestLimit}
	}
	return text, nil
}

// documentsOf reads the documents of a file.
func documentsOf(content []byte) ([]any, error) {
	var list []any
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) && utiljson.Unmarshal(content, &list) == nil {
		// The decoder below takes an array for YAML, which takes it much more memory.
		return list, nil
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var documents []any
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		if list, ok := document.([]any); ok {
			documents = append(documents, list...)
			continue
		}
		documents = append(documents, document)
	}
}

// parseManifest reads a manifest: a JSON array of objects. Nulls, which `yq -s` makes of empty YAML
// documents, are left out, a single object is taken as such, and a List stands for its items.
// The error never quotes the manifest.
func parseManifest(text string) ([]*unstructured.Unstructured, error) {
	var content any
	if err := utiljson.Unmarshal([]byte(text), &content); err != nil {
		return nil, invalid("Manifest", "is not JSON")
	}
	documents, ok := content.([]any)
	if !ok {
		documents = []any{content}
	}
	return flatten(nil, documents, "Manifest")
}

// flatten appends the objects among documents to objects, in their order.
func flatten(objects []*unstructured.Unstructured, documents []any, property string) ([]*unstructured.Unstructured, error) {
	for i, document := range documents {
		switch document := document.(type) {
		case nil:
		case map[string]any:
			object := &unstructured.Unstructured{Object: document}
			items, isList := itemsOf(object)
			if !isList {
				objects = append(objects, object)
				continue
			}
			var err error
			if objects, err = flatten(objects, items, property); err != nil {
				return nil, err
			}
		default:
			return nil, invalid(property, "has an element, number %d, that is not an object", i+1)
		}
	}
	return objects, nil
}

// itemsOf returns the items of a list, and whether the object is one: a List, or one of a kind's own such
// as ConfigMapList, whose items need not repeat the kind. An object with a name is none of the latter,
// whatever its kind is called.
func itemsOf(object *unstructured.Unstructured) ([]any, bool) {
	items, ok := object.Object["items"].([]any)
	kind, isList := strings.CutSuffix(object.GetKind(), "List")
	if !ok || !isList || kind != "" && object.GetName() != "" {
		return nil, false
	}
	for _, item := range items {
		if item, ok := item.(map[string]any); ok && kind != "" && item["kind"] == nil {
			item["apiVersion"], item["kind"] = object.GetAPIVersion(), kind
		}
	}
	return items, true
}

// jsonOf makes JSON of a property that is JSON or YAML. JSON is taken as it is: YAML lacks some of its
// escapes, such as the two of a character like an emoji, which is how encoders write it in ASCII.
func jsonOf(text string) ([]byte, error) {
	if json.Valid([]byte(text)) {
		return []byte(text), nil
	}
	return yaml.YAMLToJSON([]byte(text))
}

// reference is a dynamic reference that CloudFormation leaves as it is in a custom resource's
// properties. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
var reference = regexp.MustCompile(`\{\{resolve:(secretsmanager|ssm-secure):`)

// unresolved returns an error for a property of a stack's with such a reference: its text would be
// written in the place of the secret.
func (e Event) unresolved(property string) error {
	if !e.ofStack() {
		return nil
	}
	found := reference.FindStringSubmatch(e.Properties.Text(property))
	if found == nil {
		return nil
	}
	return invalid(property, "has a dynamic reference {{resolve:%s:…}}, which CloudFormation does not resolve in a custom resource", found[1]).
		WithNext("Let the cluster fetch the secret, by External Secrets or the Secrets Store CSI driver.")
}
