package kube

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// maxFields is how many changed fields a plan names.
const maxFields = 12

// templateGeneration is an annotation by which the API server counts a DaemonSet's generations.
const templateGeneration = "deprecated.daemonset.template.generation"

// Planned is what applying an object would do.
type Planned struct {
	// Object names it, as [Describe] does.
	Object string
	Change Change
	// Details name the fields that would change, never their values.
	Details []string
}

// Plan says what Apply would do to an object, and does nothing: the API server decides in a dry run,
// with its defaults and its admission. Two things a dry run cannot know: an object of a kind or in a
// namespace that is still to be made counts as created, and the hand-over of fields from client-side
// apply is not rehearsed.
func (c *Client) Plan(ctx context.Context, object *unstructured.Unstructured, options WriteOptions) (Planned, error) {
	options.dryRun = []string{metav1.DryRunAll}
	planned := Planned{Object: Describe(object), Change: Created}
	t, err := c.target(ctx, object)
	if noKind := new(meta.NoKindMatchError); errors.As(err, &noKind) {
		return planned, nil
	}
	if err != nil {
		return planned, err
	}
	planned.Object = Describe(t.object)
	if err := annotate(t.object); err != nil {
		return planned, err
	}
	live, err := c.get(ctx, t)
	switch {
	case apierrors.IsNotFound(err):
		if _, err := c.put(ctx, t, nil, options); err != nil && !apierrors.IsNotFound(err) {
			return planned, t.fault(err, "plan %s")
		}
		return planned, nil
	case err != nil:
		return planned, t.fault(err, "plan %s: read it")
	}
	planned.Change = Unchanged
	if upToDate(t.object, live) == same {
		return planned, nil
	}
	live, applied, err := c.dryRun(ctx, t, live, options)
	if err != nil {
		return planned, t.fault(err, "plan %s")
	}
	planned.Details = changes(live, applied)
	if len(planned.Details) > 0 {
		planned.Change = Updated
	}
	if more := len(planned.Details) - maxFields; more > 0 {
		planned.Details = append(planned.Details[:maxFields], "…")
	}
	return planned, nil
}

// changes lists the fields that an apply changed. What the server keeps for itself, and the status,
// which an apply does not reach, are left out.
func changes(live, applied *unstructured.Unstructured) []string {
	return Differences(live.Object, applied.Object, func(path []string, key string) bool {
		return ignored(path, key) || key == templateGeneration
	})
}

// Differences lists the paths at which two JSON objects differ, but for the members that ignored names.
// Lists are compared whole, and no value is told.
func Differences(before, after map[string]any, ignored func(path []string, key string) bool) []string {
	return differences(before, after, nil, ignored)
}

func differences(before, after map[string]any, path []string, ignored func([]string, string) bool) []string {
	keys := map[string]bool{}
	for _, object := range []map[string]any{before, after} {
		for key := range object {
			keys[key] = !ignored(path, key)
		}
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		place := append(slices.Clone(path), key)
		left, leftIsMap := before[key].(map[string]any)
		right, rightIsMap := after[key].(map[string]any)
		switch {
		case !keys[key]:
		case leftIsMap && rightIsMap:
			all = append(all, differences(left, right, place, ignored)...)
		case !reflect.DeepEqual(before[key], after[key]):
			all = append(all, strings.Join(place, "."))
		}
	}
	return all
}
