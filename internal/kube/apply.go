package kube

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// applyManager is the field manager of `kubectl apply --server-side`. For this one alone the
	// API server keeps the last-applied annotation up to date.
	applyManager = "kubectl"
	// clientSideManager is the field manager of `kubectl apply`.
	clientSideManager = "kubectl-client-side-apply"
	// migrateAttempts bounds the race with other writers of an object's managed fields.
	migrateAttempts = 5
	// dryRuns bounds the race with other writers of an object.
	dryRuns = 5
	// establishPatience bounds the wait for a new kind to be served.
	establishPatience = 15 * time.Second
)

// Apply makes an object what the manifest says, and says what that took.
//
// An object that has all that the manifest asks for, and whose last apply asked for the same, is left
// alone: nothing but a read is sent, and a dry run where reading alone does not tell. Else the object is applied on the server's side, after the
// fields that `kubectl apply` or `kubectl create` owned were handed over, so that a field which the
// manifest no longer has is removed. An object with a metadata.resourceVersion is applied only if
// that is still the live one; if not, the error is a Conflict.
func (c *Client) Apply(ctx context.Context, object *unstructured.Unstructured, options WriteOptions) (Change, error) {
	t, err := c.target(ctx, object)
	if err != nil {
		return "", err
	}
	if t.object.GetName() == "" {
		return "", fault.New(fault.InvalidRequest, "%s: metadata.name is required to apply", t)
	}
	if err := annotate(t.object); err != nil {
		return "", err
	}
	live, err := c.get(ctx, t)
	version := t.object.GetResourceVersion()
	switch {
	case apierrors.IsNotFound(err) && version != "":
		return "", fault.Wrap(fault.Conflict, err, "apply %s at resourceVersion %s", t, version)
	case apierrors.IsNotFound(err):
		made, err := c.put(ctx, t, nil, options)
		if err != nil {
			return "", t.fault(c.known(ctx, t, err), "apply %s")
		}
		return Created, c.settle(ctx, t, made)
	case err != nil:
		return "", t.fault(err, "apply %s: read it")
	case version != "" && version != live.GetResourceVersion():
		return "", fault.New(fault.Conflict, "apply %s: it has changed since resourceVersion %s was read", t, version)
	}
	switch upToDate(t.object, live) {
	case same:
		return Unchanged, nil
	case unsure:
		var idle bool
		if live, idle = c.rehearse(ctx, t, live, options); idle {
			return Unchanged, nil
		}
	case different:
	}
	if live, err = c.handOver(ctx, t, live); err != nil {
		return "", t.fault(err, "apply %s: take over the fields of client-side apply")
	}
	if version != "" {
		t.object.SetResourceVersion(live.GetResourceVersion())
	}
	applied, err := c.put(ctx, t, live, options)
	if err != nil {
		return "", t.fault(err, "apply %s")
	}
	if applied.GetResourceVersion() == live.GetResourceVersion() {
		return Unchanged, nil
	}
	return Updated, nil
}

// rehearse reports whether the API server says, in a dry run, that applying would change nothing, and returns
// the object as it was then. A dry run that fails says nothing: some webhooks refuse it.
func (c *Client) rehearse(ctx context.Context, t *target, live *unstructured.Unstructured, options WriteOptions) (*unstructured.Unstructured, bool) {
	found, applied, err := c.dryRun(ctx, t, live, options)
	if err != nil {
		return live, false
	}
	return found, len(changes(found, applied)) == 0
}

// dryRun is what applying would make of an object, and the object that this was made of: a controller may
// have written to it since it was read, which is no change of the apply's.
func (c *Client) dryRun(ctx context.Context, t *target, live *unstructured.Unstructured, options WriteOptions) (found, applied *unstructured.Unstructured, err error) {
	options.dryRun = []string{metav1.DryRunAll}
	for attempt := 1; ; attempt++ {
		applied, err = c.put(ctx, t, live, options)
		if err != nil || attempt == dryRuns || applied.GetResourceVersion() == live.GetResourceVersion() {
			return live, applied, err
		}
		if live, err = c.get(ctx, t); err != nil {
			return nil, nil, err
		}
	}
}

// put applies an object on the server's side, or as kubectl's client does where that cannot be. live is
// nil when there is none yet.
func (c *Client) put(ctx context.Context, t *target, live *unstructured.Unstructured, options WriteOptions) (*unstructured.Unstructured, error) {
	applied, err := c.applyServerSide(ctx, t, options)
	switch {
	case !clientSideOnly(err, options):
		return applied, err
	case live == nil:
		return c.createClientSide(ctx, t, options)
	}
	return c.applyClientSide(ctx, t, live, options)
}

// applyServerSide sends the object. dynamic's own Apply cannot carry the field validation.
func (c *Client) applyServerSide(ctx context.Context, t *target, options WriteOptions) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(t.object.Object)
	if err != nil {
		return nil, err
	}
	force := true
	var applied *unstructured.Unstructured
	err = c.do(ctx, transient, func(ctx context.Context) (err error) {
		applied, err = t.Patch(ctx, t.object.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
			FieldManager:    applyManager,
			Force:           &force,
			DryRun:          options.dryRun,
			FieldValidation: options.fieldValidation(),
		})
		return err
	})
	return applied, err
}

// handOver makes the fields that client-side apply owns those of server-side apply. Without it a
// field that the manifest no longer has stays, because the former manager still owns it.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply
func (c *Client) handOver(ctx context.Context, t *target, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	annotation := fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "annotations", lastAppliedAnnotation))
	locked := t.object.GetResourceVersion() != ""
	for attempt := 1; ; attempt++ {
		// Whoever wrote the annotation worked as kubectl apply does: kubectl create --save-config,
		// and the manager that the API server makes up for objects older than managed fields.
		managers := sets.New(clientSideManager)
		for _, entry := range csaupgrade.FindFieldsOwners(live.GetManagedFields(), metav1.ManagedFieldsOperationUpdate, annotation) {
			managers.Insert(entry.Manager)
		}
		patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, managers, applyManager)
		if err != nil || len(patch) == 0 {
			return live, err
		}
		var migrated *unstructured.Unstructured
		// The patch names the resourceVersion, so that making it twice is harmless.
		err = c.do(ctx, transient, func(ctx context.Context) (err error) {
			migrated, err = t.Patch(ctx, t.object.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: applyManager})
			return err
		})
		if err == nil {
			return migrated, nil
		}
		if !apierrors.IsConflict(err) || locked || attempt == migrateAttempts {
			return nil, err
		}
		if live, err = c.get(ctx, t); err != nil {
			return nil, err
		}
	}
}

// definitions is the kind whose objects make new kinds.
var definitions = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// settle waits, after a CustomResourceDefinition was made, until its kind is served, because the next
// object of a manifest is often of that kind. Other objects need no wait.
func (c *Client) settle(ctx context.Context, t *target, made *unstructured.Unstructured) error {
	if t.object.GroupVersionKind().GroupKind() != definitions {
		return nil
	}
	if !established(made) {
		err := wait.PollUntilContextTimeout(ctx, firstDelay, establishPatience, true, func(ctx context.Context) (bool, error) {
			live, err := c.get(ctx, t)
			return err == nil && established(live), err
		})
		if err != nil {
			return t.fault(err, "wait for %s to be established")
		}
	}
	c.mapper.ResetWithContext(ctx)
	return nil
}

// established reports whether the API server serves a definition's kind.
func established(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
	for _, condition := range conditions {
		if c, ok := condition.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}
