package kubectl

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

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
	return flatten(nil, documents)
}

// flatten appends the objects among documents to objects, in their order.
func flatten(objects []*unstructured.Unstructured, documents []any) ([]*unstructured.Unstructured, error) {
	for i, document := range documents {
		switch document := document.(type) {
		case nil:
		case map[string]any:
			object := &unstructured.Unstructured{Object: document}
			items, isList := document["items"].([]any)
			if !isList || object.GetKind() != "List" {
				objects = append(objects, object)
				continue
			}
			var err error
			if objects, err = flatten(objects, items); err != nil {
				return nil, err
			}
		default:
			return nil, invalid("Manifest", "has an element, number %d, that is not an object", i+1)
		}
	}
	return objects, nil
}

// identity tells two objects of a manifest apart as the API server does.
type identity struct{ group, kind, namespace, name string }

func identityOf(object *unstructured.Unstructured) identity {
	kind := object.GroupVersionKind()
	return identity{kind.Group, kind.Kind, object.GetNamespace(), object.GetName()}
}

// removed returns the objects of before that are not among now.
func removed(before, now []*unstructured.Unstructured) []*unstructured.Unstructured {
	kept := map[identity]bool{}
	for _, object := range now {
		kept[identityOf(object)] = true
	}
	var gone []*unstructured.Unstructured
	for _, object := range before {
		if object.GetName() != "" && !kept[identityOf(object)] {
			gone = append(gone, object)
		}
	}
	return gone
}
