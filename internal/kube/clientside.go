package kube

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// applyClientSide applies as `kubectl apply` does: by a three-way merge, of which the API server drops
// what the kind does not have, if that is not to be validated. A server-side apply cannot be made to do
// so: it needs the schema, and one element for each key, to know who owns what, whatever the field validation.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
func (c *Client) applyClientSide(ctx context.Context, t *target, live *unstructured.Unstructured, options WriteOptions) (*unstructured.Unstructured, error) {
	kind, patch, err := threeWay(lastApplied(live), t.object, live)
	if err != nil {
		// The error can quote both objects.
		return nil, fault.New(fault.Failed, "apply %s: it cannot be merged with the object that exists", t)
	}
	var applied *unstructured.Unstructured
	err = c.do(ctx, transient, func(ctx context.Context) (err error) {
		applied, err = t.Patch(ctx, t.object.GetName(), kind, patch, metav1.PatchOptions{
			FieldManager:    clientSideManager,
			DryRun:          options.dryRun,
			FieldValidation: options.fieldValidation(),
		})
		return err
	})
	return applied, err
}

// createClientSide creates what such an apply finds missing.
func (c *Client) createClientSide(ctx context.Context, t *target, options WriteOptions) (*unstructured.Unstructured, error) {
	var made *unstructured.Unstructured
	err := c.do(ctx, transient, func(ctx context.Context) (err error) {
		made, err = t.Create(ctx, t.object, metav1.CreateOptions{
			FieldManager:    clientSideManager,
			DryRun:          options.dryRun,
			FieldValidation: options.fieldValidation(),
		})
		return err
	})
	return made, err
}

// threeWay makes the patch from what was applied last, what is wanted and what there is: strategic for
// the kinds that Kubernetes brings, and by plain JSON for others.
func threeWay(before []byte, wanted, live *unstructured.Unstructured) (types.PatchType, []byte, error) {
	modified, err := json.Marshal(wanted.Object)
	if err != nil {
		return "", nil, err
	}
	current, err := json.Marshal(live.Object)
	if err != nil {
		return "", nil, err
	}
	typed, err := scheme.Scheme.New(wanted.GroupVersionKind())
	if err != nil {
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(before, modified, current)
		return types.MergePatchType, patch, err
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return "", nil, err
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(before, modified, current, schema, true)
	return types.StrategicMergePatchType, patch, err
}
