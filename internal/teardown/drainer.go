package teardown

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

// kubernetes is the part of the kubectl function that the stage needs.
type kubernetes interface {
	List(ctx context.Context, kind, namespace string, fields client.Fields) ([]client.Object, error)
	ListAll(ctx context.Context, kind string, fields client.Fields) ([]client.Object, error)
	Mark(ctx context.Context, objects ...client.Object) error
}

// drainer deletes the objects in a cluster that hold on to something outside of it, and remembers them.
type drainer struct {
	api     kubernetes
	removed []string
	kept    []environment.Leftover
	volumes []environment.PersistentVolume
	// left are the objects that are still there.
	left []waiting
	// refused is why some of them cannot be deleted, as the last look has it, nil if nothing says so.
	refused error
}

// waiting is an object that is still there, and what it waits for.
type waiting struct {
	text, finalizers string
	// refused is set when its deletion was not accepted.
	refused bool
}

func (w waiting) String() string {
	if w.finalizers == "" {
		return w.text
	}
	return w.text + " (finalizers " + w.finalizers + ")"
}

// because says in a sentence what the object has waited for.
func (w waiting) because() string {
	switch {
	case w.refused:
		return ", which was not accepted"
	case w.finalizers == "":
		return ""
	}
	return ", waiting for its finalizers " + w.finalizers
}

// attempt drains the cluster, or says why it cannot be drained: that nobody gets in. When it is late, what
// is still there stays, and what has failed is not tried again.
//
// That an object's deletion is refused, by an admission webhook for example, is no such reason. It is the
// error when nothing else is left to wait for: the cluster, and with it all that could delete what the
// object stands for, is still there. Neither is it one that the cluster has more objects than can be listed:
// somebody got in.
func (d *drainer) attempt(ctx context.Context, late bool) (why string, err error) {
	d.left, d.refused = nil, nil
	err = d.drain(ctx)
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, client.ErrTooLarge):
		return "", unlistable(err)
	case d.refused != nil && !fault.CodeOf(d.refused).Retried() && (late || d.onlyRefused() && fault.CodeOf(d.refused) != fault.Conflict):
		return "", undeletable(d.refused)
	case late && len(d.left) > 0:
		return "", nil
	case !late && fault.CodeOf(err).Retried() && !errors.Is(err, client.ErrNoFunction):
		// Time may cure it, for as long as this stage waits.
		return "", fault.Wrap(fault.InProgress, err, "the cluster is not drained yet")
	}
	d.left = nil
	return fault.As(err).Message, nil
}

// onlyRefused reports whether nothing that is left was accepted for deletion.
func (d *drainer) onlyRefused() bool {
	return !slices.ContainsFunc(d.left, func(w waiting) bool { return !w.refused })
}

// undeletable is the error about objects whose deletion is refused.
func undeletable(err error) error {
	cause := fault.As(err)
	f := fault.New(cause.Code, "objects in the cluster cannot be deleted, and what stands for them outside of it would be left: %s", cause.Message).
		WithNext("let the webhook or policy that the message names allow it, or delete the objects with kubectl; then start the same delete again: " +
			"it goes on from here. The cluster and its stacks are still there")
	f.Err = err
	return f
}

// unlistable is the error about more objects than the kubectl function answers with.
func unlistable(err error) error {
	f := fault.New(fault.Failed, "the cluster has more objects than can be looked through, and what stands for them outside of it would be left: %s", fault.As(err).Message).
		WithNext("delete Ingresses, Services with a load balancer and PersistentVolumeClaims with kubectl, and pods that are not needed; " +
			"then start the same delete again: it goes on from here. The cluster and its stacks are still there")
	f.Err = err
	return f
}

// gone are the objects that were deleted and are not there any more.
func (d *drainer) gone() []string {
	return slices.DeleteFunc(slices.Clone(d.removed), func(text string) bool {
		return slices.ContainsFunc(d.left, func(w waiting) bool { return w.text == text })
	})
}

// drain deletes the objects and answers [fault.InProgress] until they are gone.
func (d *drainer) drain(ctx context.Context) error {
	if err := d.keep(ctx); err != nil {
		return err
	}
	// What has no finalizer is gone at the second look.
	for range 2 {
		var left []waiting
		d.refused = nil
		for _, step := range []func(context.Context) ([]waiting, error){d.exposed, d.claims, d.provisioned} {
			more, err := step(ctx)
			if err != nil {
				return err
			}
			left = append(left, more...)
		}
		if d.left = left; len(left) == 0 {
			return nil
		}
	}
	var shown []string
	for _, w := range d.left[:min(len(d.left), 5)] {
		shown = append(shown, w.String())
	}
	return fault.New(fault.InProgress, "%d objects in the cluster are still being deleted: %s", len(d.left), strings.Join(shown, ", "))
}

// keep notes the volumes that Kubernetes was told to keep, and those that it is to delete.
func (d *drainer) keep(ctx context.Context) error {
	volumes, err := d.list(ctx, "persistentvolumes")
	if err != nil {
		return err
	}
	d.kept = nil
	for _, v := range volumes {
		handle := v.volume()
		switch {
		case handle == "":
		case v.Spec.PersistentVolumeReclaimPolicy == "Retain":
			d.kept = append(d.kept, environment.Leftover{
				What: volumeText(handle),
				Why:  "the reclaim policy of PersistentVolume " + v.Metadata.Name + " is Retain",
			})
		case v.provisionedBy(ebsDriver, ebsInTree):
			volume := environment.PersistentVolume{Name: v.Metadata.Name, VolumeID: handle}
			if !slices.Contains(d.volumes, volume) {
				d.volumes = append(d.volumes, volume)
			}
		}
	}
	return nil
}

// provisioned waits for the volumes whose claims are gone: their drivers delete what they stand for, and
// have to be alive for that (aws-traps.md, row 6.12). One that was made by hand waits for nobody.
func (d *drainer) provisioned(ctx context.Context) ([]waiting, error) {
	volumes, err := d.list(ctx, "persistentvolumes")
	if err != nil {
		return nil, err
	}
	var left []waiting
	for _, v := range volumes {
		if v.Spec.PersistentVolumeReclaimPolicy == "Delete" && v.Spec.ClaimRef != nil && v.Metadata.Annotations.Provisioner != "" {
			left = append(left, waiting{text: "PersistentVolume " + v.Metadata.Name, finalizers: strings.Join(v.Metadata.Finalizers, ", ")})
		}
	}
	return left, nil
}

// exposed removes what load balancers were made for.
func (d *drainer) exposed(ctx context.Context) ([]waiting, error) {
	objects, err := d.balanced(ctx)
	if err != nil {
		return nil, err
	}
	return d.remove(ctx, objects)
}

// balanced are the objects that load balancers are made for.
func (d *drainer) balanced(ctx context.Context) ([]object, error) {
	ingresses, err := d.list(ctx, "ingresses.networking.k8s.io")
	if err != nil {
		return nil, err
	}
	services, err := d.list(ctx, "services")
	if err != nil {
		return nil, err
	}
	services = slices.DeleteFunc(services, func(o object) bool { return o.Spec.Type != "LoadBalancer" })
	return append(ingresses, services...), nil
}

// claims removes the claims of volumes, and what uses them.
func (d *drainer) claims(ctx context.Context) ([]waiting, error) {
	claims, users, err := d.claimed(ctx)
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	left, err := d.remove(ctx, claims)
	if err != nil {
		return nil, err
	}
	_, err = d.remove(ctx, users)
	return left, err
}

// claimed are the claims of volumes, and what uses them: a claim stays for as long as a pod mounts it,
// and a StatefulSet makes its pods and claims anew.
func (d *drainer) claimed(ctx context.Context) (claims, users []object, err error) {
	claims, err = d.list(ctx, "persistentvolumeclaims")
	if err != nil || len(claims) == 0 {
		return nil, nil, err
	}
	namespaces := map[string]bool{}
	for _, claim := range claims {
		namespaces[claim.Metadata.Namespace] = true
	}
	users, err = d.list(ctx, "statefulsets.apps")
	if err != nil {
		return nil, nil, err
	}
	users = slices.DeleteFunc(users, func(o object) bool { return !namespaces[o.Metadata.Namespace] })
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		pods, err := d.api.List(ctx, "pods", namespace, client.FieldsOf[object]())
		if err != nil {
			return nil, nil, err
		}
		mounting, err := decode(pods)
		if err != nil {
			return nil, nil, err
		}
		users = append(users, slices.DeleteFunc(mounting, func(o object) bool { return !o.mounts() })...)
	}
	return claims, users, nil
}

// objects names what drain would delete.
func (d *drainer) objects(ctx context.Context) ([]string, error) {
	balanced, err := d.balanced(ctx)
	if err != nil {
		return nil, err
	}
	claims, users, err := d.claimed(ctx)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, o := range slices.Concat(balanced, claims, users) {
		texts = append(texts, o.String())
	}
	return texts, nil
}

func (d *drainer) list(ctx context.Context, resource string) ([]object, error) {
	items, err := d.api.ListAll(ctx, resource, client.FieldsOf[object]())
	if err != nil {
		return nil, err
	}
	return decode(items)
}

// remove marks the objects for deletion and names them with what they wait for. The function goes on
// after one whose deletion is refused, and so do the steps after this one. It is asked right after it
// has listed the objects: an error is about them.
func (d *drainer) remove(ctx context.Context, objects []object) (left []waiting, err error) {
	var mark []client.Object
	for _, o := range objects {
		if o.Metadata.DeletionTimestamp == "" {
			mark = append(mark, client.Object{
				"apiVersion": o.APIVersion, "kind": o.Kind,
				"metadata": map[string]any{"name": o.Metadata.Name, "namespace": o.Metadata.Namespace},
			})
		}
		// One that an earlier call has marked is this deletion's, too.
		if !slices.Contains(d.removed, o.String()) {
			d.removed = append(d.removed, o.String())
		}
	}
	if len(mark) > 0 {
		err = d.api.Mark(ctx, mark...)
	}
	if errors.Is(err, client.ErrNoFunction) {
		return nil, err
	}
	for _, o := range objects {
		left = append(left, waiting{
			text: o.String(), finalizers: strings.Join(o.Metadata.Finalizers, ", "),
			refused: err != nil && o.Metadata.DeletionTimestamp == "",
		})
	}
	if err != nil && (d.refused == nil || fault.CodeOf(d.refused).Retried()) {
		d.refused = err
	}
	return left, nil
}
