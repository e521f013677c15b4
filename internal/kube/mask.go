package kube

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Mask says which fields of an object are kept; an empty one keeps all. That of a list is each element's.
type Mask map[string]Mask

// reduce drops what the mask does not keep.
func (m Mask) reduce(value any) any {
	if len(m) == 0 {
		return value
	}
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, field := range m {
			if v, ok := value[key]; ok {
				kept[key] = field.reduce(v)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(value))
		for i, element := range value {
			kept[i] = m.reduce(element)
		}
		return kept
	}
	return value
}

// Reduce drops the object's fields that the mask does not keep. It returns how large the rest is, as JSON.
func (m Mask) Reduce(object *unstructured.Unstructured) (int, error) {
	kept, _ := m.reduce(object.Object).(map[string]any)
	object.Object = kept
	text, err := json.Marshal(kept)
	return len(text), err
}
