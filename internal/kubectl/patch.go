package kubectl

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// patchKinds are kubectl's names of the kinds of patches.
var patchKinds = map[string]types.PatchType{
	"json":      types.JSONPatchType,
	"merge":     types.MergePatchType,
	"strategic": types.StrategicMergePatchType,
}

// objectPatch is a KubernetesPatch's properties.
type objectPatch struct {
	resource, name, namespace string
	kind                      types.PatchType
	apply, restore            []byte
}

// patch carries out a KubernetesPatch: Create and Update patch, Delete patches back. When an Update
// names another object than before, the one before is patched back.
func (h *Handler) patch(ctx context.Context, event Event) (Outcome, error) {
	wanted, err := patchOf(event.Properties)
	if err != nil {
		return Outcome{}, err
	}
	client, err := h.cluster(ctx, event)
	if event.RequestType == Delete {
		if gone(err) {
			return Outcome{}, nil
		}
		if err != nil {
			return Outcome{}, err
		}
		return Outcome{}, wanted.undo(ctx, client)
	}
	if err != nil {
		return Outcome{}, err
	}
	if err := event.unresolved("ApplyPatchJson"); err != nil {
		return Outcome{}, err
	}
	if err := client.Patch(ctx, wanted.resource, wanted.namespace, wanted.name, wanted.kind, wanted.apply); err != nil {
		return Outcome{}, err
	}
	if event.RequestType == Update && event.OldProperties.Text("ClusterName") == event.Properties.Text("ClusterName") {
		if before, err := patchOf(event.OldProperties); err == nil && before.target() != wanted.target() {
			return Outcome{}, before.undo(ctx, client)
		}
	}
	return Outcome{}, nil
}

// patchOf reads the properties of a patch.
func patchOf(properties Properties) (objectPatch, error) {
	name, err := properties.Required("ResourceName")
	if err != nil {
		return objectPatch{}, err
	}
	p := objectPatch{namespace: properties.Text("ResourceNamespace")}
	var ok bool
	if p.resource, p.name, ok = strings.Cut(name, "/"); !ok || p.resource == "" || p.name == "" {
		return objectPatch{}, invalid("ResourceName", "is not of the form type/name")
	}
	if p.namespace == "" {
		p.namespace = "default"
	}
	kind := properties.Text("PatchType")
	if kind == "" {
		kind = "strategic"
	}
	if p.kind, ok = patchKinds[kind]; !ok {
		return objectPatch{}, invalid("PatchType", "is none of json, merge and strategic")
	}
	if p.apply, err = patchText(properties, "ApplyPatchJson"); err != nil {
		return objectPatch{}, err
	}
	p.restore, err = patchText(properties, "RestorePatchJson")
	return p, err
}

// patchText reads a patch, which may be YAML, as it may for kubectl.
func patchText(properties Properties, name string) ([]byte, error) {
	text, err := properties.Required(name)
	if err != nil {
		return nil, err
	}
	patch, err := jsonOf(text)
	if err != nil {
		return nil, invalid(name, "is neither JSON nor YAML")
	}
	return patch, nil
}

// target tells patches of different objects apart.
func (p objectPatch) target() [3]string { return [3]string{p.resource, p.namespace, p.name} }

// undo patches back. An object that is gone, by itself or with its kind, needs no patch.
func (p objectPatch) undo(ctx context.Context, client *kube.Client) error {
	err := client.Patch(ctx, p.resource, p.namespace, p.name, p.kind, p.restore)
	if apierrors.IsNotFound(err) || noKind(err) {
		return nil
	}
	return err
}
