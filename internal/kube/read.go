package kube

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// patchManager is the field manager of `kubectl patch`.
const patchManager = "kubectl-patch"

const (
	// pageSize is kubectl's own.
	pageSize = 500
	// listLimit bounds how many objects a list keeps in memory, of which a function has little.
	listLimit = 5000
	// reducedLimit bounds how many it keeps of which a mask leaves a little.
	reducedLimit = 50000
)

// Get reads one object. resource is what people write: service, svc, deployments.apps.
func (c *Client) Get(ctx context.Context, resource, namespace, name string) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := c.named(ctx, resource, "get "+resource+" "+name, func(mapping *meta.RESTMapping) error {
		return c.do(ctx, transient, func(ctx context.Context) (err error) {
			live, err = c.in(mapping, namespace).Get(ctx, name, metav1.GetOptions{})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return live, nil
}

// named makes a call with the mapping of a resource by what people write, and makes it again when the
// mapping proves out of date: a cluster's upgrade, or another release of a chart, brings another version
// of a kind and takes the former away. what begins the message of an error.
func (c *Client) named(ctx context.Context, resource, what string, call func(*meta.RESTMapping) error) error {
	for attempt := 1; ; attempt++ {
		mapping, err := c.resourceNamed(ctx, resource)
		if err != nil {
			return Classify(err, "find the resource %s", resource)
		}
		if err = call(mapping); attempt == 1 && unserved(err) {
			c.mapper.ResetWithContext(ctx)
			continue
		}
		return faultOf(mapping, err, "%s", what)
	}
}

// List reads the objects in a namespace that a label selector matches; all of them when it is empty. Of
// each it keeps what the mask does: the rest is dropped page by page, and does not count.
func (c *Client) List(ctx context.Context, resource, namespace, selector string, mask Mask) ([]unstructured.Unstructured, error) {
	var items []unstructured.Unstructured
	err := c.named(ctx, resource, "list "+resource, func(mapping *meta.RESTMapping) (err error) {
		items, err = c.items(ctx, mapping, namespace, selector, mask)
		return err
	})
	return items, err
}

// items reads the objects of a mapping, page by page.
func (c *Client) items(ctx context.Context, mapping *meta.RESTMapping, namespace, selector string, mask Mask) ([]unstructured.Unstructured, error) {
	listed := c.listed
	if listed == nil {
		listed = newAllowance()
	}
	ctx = listed.within(ctx)
	limit := listLimit
	if len(mask) > 0 {
		limit = reducedLimit
	}
	var items []unstructured.Unstructured
	options := metav1.ListOptions{LabelSelector: selector, Limit: pageSize}
	for {
		var page *unstructured.UnstructuredList
		before := listed.left.Load()
		err := c.do(ctx, transient, func(ctx context.Context) (err error) {
			page, err = c.in(mapping, namespace).List(ctx, options)
			return err
		})
		if errors.Is(err, errListed) {
			return nil, tooMany(mapping, "they have more than %d MiB with all that the request lists", listedLimit>>20)
		}
		if err != nil {
			return nil, err
		}
		if len(mask) > 0 {
			size, err := reduce(page.Items, mask)
			if err != nil {
				return nil, err
			}
			listed.left.Store(before - size)
		}
		items = append(items, page.Items...)
		if len(items) > limit {
			return nil, tooMany(mapping, "there are more than %d", limit)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return items, nil
		}
	}
}

// reduce drops what the mask does not keep of the objects, and returns the size of the rest.
func reduce(items []unstructured.Unstructured, mask Mask) (int64, error) {
	var size int64
	for i := range items {
		kept, err := mask.Reduce(&items[i])
		if err != nil {
			return 0, err
		}
		size += int64(kept)
	}
	return size, nil
}

// tooMany says why a list does not fit into a function's memory.
func tooMany(mapping *meta.RESTMapping, format string, limit int) error {
	f := fault.New(fault.InvalidRequest, "list %s: "+format, mapping.Resource.Resource, limit).
		WithNext("Ask for less, by a name, a namespace or a selector of labels.")
	f.Err = ErrTooLarge
	return f
}

// ErrTooLarge is matched by the error about objects that can be read, and are too many or too large to
// be answered with.
var ErrTooLarge = errors.New("too large")

// pruned are the kinds that `kubectl apply --prune` looks for when it is not told any.
// https://github.com/kubernetes/kubectl/blob/master/pkg/util/prune/prune.go
var pruned = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Endpoints"}, {Version: "v1", Kind: "Namespace"},
	{Version: "v1", Kind: "PersistentVolumeClaim"}, {Version: "v1", Kind: "PersistentVolume"}, {Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "ReplicationController"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"},
	{Group: "batch", Version: "v1", Kind: "Job"}, {Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"},
}

// Labelled returns the objects that `kubectl apply --prune -l selector` would look at: of its kinds, in
// the namespaces, and applied by their last-applied annotation. What may not be listed is left out: a
// role that is bound to its namespace owns nothing elsewhere.
func (c *Client) Labelled(ctx context.Context, selector string, namespaces []string) ([]unstructured.Unstructured, error) {
	var found []unstructured.Unstructured
	for _, kind := range pruned {
		mapping, err := c.mapping(ctx, kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, Classify(err, "find the resource of %s", kind.Kind)
		}
		places := namespaces
		if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
			places = []string{""}
		}
		for _, place := range places {
			items, err := c.items(ctx, mapping, place, selector, nil)
			if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
				return nil, faultOf(mapping, err, "list %s", mapping.Resource.Resource)
			}
			for _, item := range items {
				if len(lastApplied(&item)) > 0 && item.GetDeletionTimestamp() == nil {
					found = append(found, item)
				}
			}
		}
	}
	return found, nil
}

// Patch patches one object as `kubectl patch` does.
func (c *Client) Patch(ctx context.Context, resource, namespace, name string, kind types.PatchType, patch []byte) error {
	again := transient
	if kind == types.JSONPatchType {
		// Adding to a list twice adds two elements.
		again = unsent
	}
	return c.named(ctx, resource, "patch "+resource+" "+name, func(mapping *meta.RESTMapping) error {
		return c.do(ctx, again, func(ctx context.Context) error {
			_, err := c.in(mapping, namespace).Patch(ctx, name, kind, patch, metav1.PatchOptions{FieldManager: patchManager})
			return err
		})
	})
}

// Live reads an object that a manifest names.
func (c *Client) Live(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t, err := c.target(ctx, object)
	if err != nil {
		return nil, err
	}
	live, err := c.get(ctx, t)
	return live, t.fault(err, "get %s")
}

// faultOf classifies an error about objects of a mapping.
func faultOf(mapping *meta.RESTMapping, err error, format string, args ...any) error {
	if secret(mapping.GroupVersionKind) {
		err = concealSecret(err)
	}
	return Classify(err, format, args...)
}
