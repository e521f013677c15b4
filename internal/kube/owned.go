package kube

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ownership is what of a value a field manager set, as the API server keeps it: the members f:name of
// an object, the elements k:{keys} of a list; nothing further for a value that is owned as a whole.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
//
// A field stays owned when the API server drops it because it says nothing, and is not owned any more
// when somebody removed it. That tells the two apart.
type ownership map[string]any

// ownedBy returns what the last server-side apply of ours set of an object in a version, nil when
// there was none.
func ownedBy(live *unstructured.Unstructured, version string) ownership {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != applyManager || entry.Operation != metav1.ManagedFieldsOperationApply ||
			entry.APIVersion != version || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var owned ownership
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) == nil {
			return owned
		}
	}
	return nil
}

// whole reports whether a value is owned with all that is in it.
func (o ownership) whole() bool { return o != nil && len(o) == 0 }

// has reports whether a member is owned.
func (o ownership) has(key string) bool {
	_, ok := o["f:"+key]
	return ok || o.whole()
}

// member returns what is owned of a member.
func (o ownership) member(key string) ownership {
	if o.whole() {
		return o
	}
	owned, _ := o["f:"+key].(map[string]any)
	return owned
}

// element returns what is owned of a list's element.
func (o ownership) element(element any) ownership {
	if o.whole() {
		return o
	}
	members, ok := element.(map[string]any)
	if !ok {
		return nil
	}
	for name, value := range o {
		text, ok := strings.CutPrefix(name, "k:")
		var keys map[string]any
		if !ok || json.Unmarshal([]byte(text), &keys) != nil || !hasAll(members, keys) {
			continue
		}
		owned, _ := value.(map[string]any)
		return owned
	}
	return nil
}

// hasAll reports whether an object has the members of another.
func hasAll(object, members map[string]any) bool {
	for key, value := range members {
		if !sameScalar(object[key], value, nil) {
			return false
		}
	}
	return true
}
