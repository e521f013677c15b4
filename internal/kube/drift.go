package kube

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// helmManager is the field manager of Helm's command line.
const helmManager = "helm"

// Drift lists the fields in which an object is not any more what its manifest says, and which Helm
// would set back. It merges as Helm does, by the manifest that was installed and what there is, and
// lets the API server decide in a dry run; one that fails says nothing. Of kinds that do not come with
// Kubernetes Helm does not look at what there is, so their drift would stay. An object that is gone is
// an error that apierrors.IsNotFound matches.
func (c *Client) Drift(ctx context.Context, object *unstructured.Unstructured) ([]string, error) {
	t, err := c.target(ctx, object)
	if err != nil {
		return nil, err
	}
	live, err := c.get(ctx, t)
	if err != nil {
		return nil, t.fault(err, "get %s")
	}
	installed, err := json.Marshal(t.object.Object)
	if err != nil {
		return nil, t.fault(err, "read %s")
	}
	kind, patch, err := threeWay(installed, t.object, live)
	if err != nil || kind != types.StrategicMergePatchType || string(patch) == "{}" {
		return nil, nil //nolint:nilerr // what cannot be merged is not set back
	}
	// Once: a webhook that does not answer would be waited for, and an upgrade is not known to be needed.
	merged, err := t.Patch(ctx, t.object.GetName(), kind, patch, metav1.PatchOptions{
		FieldManager: helmManager,
		DryRun:       []string{metav1.DryRunAll},
	})
	if err != nil {
		return nil, nil //nolint:nilerr // some webhooks refuse dry runs
	}
	return changes(live, merged), nil
}
