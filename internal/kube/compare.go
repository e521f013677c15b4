package kube

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// lastAppliedAnnotation holds the manifest that was applied last, for kubectl's three-way merge.
	lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration"
	// annotationLimit is the API server's limit on the size of all annotations of an object.
	annotationLimit = 256 << 10
)

// annotate gives an object its last-applied annotation, or none when that would be too large.
func annotate(object *unstructured.Unstructured) error {
	if field := oddAnnotation(object); field != "" {
		return fault.New(fault.InvalidRequest, "%s: %s is not a text; put its value between quotation marks", Describe(object), field)
	}
	annotations := object.GetAnnotations()
	delete(annotations, lastAppliedAnnotation)
	if annotations == nil {
		annotations = map[string]string{}
	}
	bare := object.DeepCopy()
	bare.SetResourceVersion("")
	if len(annotations) == 0 {
		// kubectl leaves an empty map there, too.
		_ = unstructured.SetNestedMap(bare.Object, map[string]any{}, "metadata", "annotations")
	} else {
		bare.SetAnnotations(annotations)
	}
	text, err := runtime.Encode(unstructured.UnstructuredJSONScheme, bare)
	size := len(lastAppliedAnnotation) + len(text)
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	if err == nil && size <= annotationLimit {
		annotations[lastAppliedAnnotation] = string(text)
	}
	if len(annotations) > 0 {
		object.SetAnnotations(annotations)
	} else {
		object.SetAnnotations(nil)
	}
	return nil
}

// oddAnnotation names the first of an object's annotations that is not a text, such as true without
// quotation marks. GetAnnotations gives none at all then, and all of them would be lost.
func oddAnnotation(object *unstructured.Unstructured) string {
	found, _, _ := unstructured.NestedFieldNoCopy(object.Object, "metadata", "annotations")
	annotations, ok := found.(map[string]any)
	if !ok && found != nil {
		return "metadata.annotations"
	}
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if _, ok := annotations[key].(string); !ok {
			return "metadata.annotations." + key
		}
	}
	return ""
}

// lastApplied returns the text of an object's annotation, nil when it has none.
func lastApplied(object *unstructured.Unstructured) []byte {
	return bytes.TrimSpace([]byte(object.GetAnnotations()[lastAppliedAnnotation]))
}

// verdict is what a comparison of an object with its manifest came to.
type verdict int

const (
	// different: something is missing, or another.
	different verdict = iota
	// unsure: all that is missing are values such as false or "", which the API server may have dropped,
	// because they are the default, or somebody may have removed, in whose place the default is another.
	unsure
	// same: nothing is missing.
	same
)

// upToDate compares an object with its manifest: it is the same when applying desired would change
// nothing, because the last apply asked for the same, so no field has to go, and live has every field
// that is asked for.
func upToDate(desired, live *unstructured.Unstructured) verdict {
	before, ok := applied(live)
	if !ok {
		return different
	}
	now, ok := applied(desired)
	if !ok || !reflect.DeepEqual(before, now) {
		return different
	}
	return contains(live.Object, desired.Object, nil, ownedBy(live, desired.GetAPIVersion()))
}

// applied reads the last-applied annotation in a form that can be compared: without what differs
// between the writers of it.
func applied(object *unstructured.Unstructured) (map[string]any, bool) {
	var content map[string]any
	text := lastApplied(object)
	if len(text) == 0 || utiljson.Unmarshal(text, &content) != nil {
		return nil, false
	}
	dropNulls(content)
	if metadata, ok := content["metadata"].(map[string]any); ok {
		for _, field := range serverFields {
			delete(metadata, field)
		}
		for _, field := range []string{"annotations", "labels"} {
			if members, ok := metadata[field].(map[string]any); ok && len(members) == 0 {
				delete(metadata, field)
			}
		}
	}
	return content, true
}

// serverFields are the members of metadata that no manifest decides.
var serverFields = []string{"resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink"}

// quantities are the maps whose values the API server rewrites: 0.5 becomes 500m.
var quantities = map[string]bool{"limits": true, "requests": true, "hard": true, "capacity": true, "allocatable": true}

// contains compares live with desired, of which it may have more. path leads to the two values, and
// owned is what of them the last server-side apply set.
func contains(live, desired any, path []string, owned ownership) verdict {
	switch desired := desired.(type) {
	case map[string]any:
		members, ok := live.(map[string]any)
		if !ok {
			return different
		}
		result := same
		for key, value := range desired {
			if ignored(path, key) {
				continue
			}
			member, ok := members[key]
			switch {
			case ok:
				result = min(result, contains(member, value, append(path, key), owned.member(key)))
			case !empty(value, path):
				return different
			case !owned.has(key):
				result = min(result, unsure)
			}
		}
		return result
	case []any:
		elements, ok := live.([]any)
		if !ok || len(elements) != len(desired) {
			return different
		}
		result := same
		for i := range desired {
			result = min(result, contains(elements[i], desired[i], append(path, "[]"), owned.element(elements[i])))
		}
		return result
	}
	if sameScalar(live, desired, path) {
		return same
	}
	return different
}

// ignored reports whether a member is not to be compared: the server's own fields, the annotation
// (compared by meaning elsewhere) and status, which the main resource does not take.
func ignored(path []string, key string) bool {
	switch len(path) {
	case 0:
		return key == "status"
	case 1:
		if path[0] == "metadata" {
			for _, field := range serverFields {
				if field == key {
					return true
				}
			}
		}
	case 2:
		return path[0] == "metadata" && path[1] == "annotations" && key == lastAppliedAnnotation
	}
	return false
}

// empty reports whether the API server may leave a value out because it says nothing. An empty map
// may say something (emptyDir: {}), except for labels and annotations.
func empty(value any, path []string) bool {
	switch value := value.(type) {
	case string:
		return value == ""
	case bool:
		return !value
	case int64:
		return value == 0
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0 && len(path) == 1 && path[0] == "metadata"
	}
	return false
}

// sameScalar compares two values that are neither maps nor lists.
func sameScalar(live, desired any, path []string) bool {
	if live == desired {
		return true
	}
	if a, ok := number(live); ok {
		if b, ok := number(desired); ok {
			return a == b
		}
	}
	if len(path) < 2 || !quantities[path[len(path)-2]] {
		return false
	}
	a, errA := resource.ParseQuantity(fmt.Sprint(live))
	b, errB := resource.ParseQuantity(fmt.Sprint(desired))
	return errA == nil && errB == nil && a.Cmp(b) == 0
}

// number reads an unstructured number.
func number(value any) (float64, bool) {
	switch value := value.(type) {
	case int64:
		return float64(value), true
	case float64:
		return value, true
	}
	return 0, false
}
