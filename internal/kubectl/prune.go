package kubectl

import (
	"context"
	"log/slog"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/file"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// cdkPruneLabel begins the label that the CDK puts on all objects of a manifest, a different one for
// each of an app's manifests.
const cdkPruneLabel = "aws.cdk.eks/prune-"

// prune deletes the objects that an Update's manifest no longer has.
//
// They are those of the old properties' manifest, of any kind, and those that carry the label though
// no manifest at hand names them, as far as `kubectl apply --prune` looks: its kinds, the manifest's
// namespaces. An object of the old manifest without the resource's label is left alone: another
// manifest has taken it over. It does not wait for them to be gone.
func (h *Handler) prune(ctx context.Context, client *kube.Client, event Event, objects []*unstructured.Unstructured) []kube.Result {
	label := event.Properties.Text("PruneLabel")
	if label == "" || event.RequestType != Update {
		return nil
	}
	kept := map[string]bool{}
	for _, object := range objects {
		kept[client.Key(ctx, object)] = true
	}
	results, doomed := h.removed(ctx, client, event, kept)
	labelled, err := client.Labelled(ctx, label, namespacesOf(objects))
	if err != nil {
		return append(results, kube.Result{Object: "objects with the label " + label, Err: err})
	}
	for i := range labelled {
		object := &labelled[i]
		if key := client.Key(ctx, object); !kept[key] {
			kept[key] = true
			doomed = append(doomed, object)
		}
	}
	for _, result := range client.Delete(ctx, doomed, 0) {
		if fault.CodeOf(result.Err) == fault.InProgress {
			// kubectl does not wait either. To fail the Update would have CloudFormation roll it back to a
			// manifest with an object that goes all the same.
			result.Change, result.Err = kube.Deleted, nil
		}
		results = append(results, result)
	}
	return results
}

// removed returns the objects of the old manifest that are not kept and still carry the label. It adds
// them to kept, so that nothing is deleted twice.
func (h *Handler) removed(ctx context.Context, client *kube.Client, event Event, kept map[string]bool) ([]kube.Result, []*unstructured.Unstructured) {
	old := event.OldProperties
	if len(old) == 0 || old.Text("ClusterName") != event.Properties.Text("ClusterName") {
		return nil, nil
	}
	before, err := manifestOf(old)
	var objects []*unstructured.Unstructured
	if err == nil {
		objects, err = h.read(ctx, before)
	}
	if file.Absent(err) {
		// Buckets have lifecycles. What the label finds is pruned all the same.
		h.options.Log.LogAttrs(ctx, slog.LevelWarn, "the old manifest is not in S3 any more: only what the label finds is pruned",
			slog.String("cluster", event.Properties.Text("ClusterName")))
		return nil, nil
	}
	if err != nil {
		return []kube.Result{{Object: "the old manifest", Err: err}}, nil
	}
	var results []kube.Result
	var doomed []*unstructured.Unstructured
	key, value, _ := strings.Cut(event.Properties.Text("PruneLabel"), "=")
	for _, object := range objects {
		identity := client.Key(ctx, object)
		if object.GetName() == "" || kept[identity] {
			continue
		}
		kept[identity] = true
		live, err := client.Live(ctx, object)
		switch {
		case apierrors.IsNotFound(err), noKind(err):
		case err != nil:
			results = append(results, kube.Result{Object: kube.Describe(object), Err: err})
		default:
			if found, ok := live.GetLabels()[key]; ok && found == value {
				doomed = append(doomed, object)
			}
		}
	}
	return results, doomed
}

// labelled returns the objects of a resource whose manifest cannot be read any more, by the CDK's label
// for it: in all namespaces and of the kinds that `kubectl apply --prune` looks for. Another label may
// be on objects of others, so that without this one, or with none found, the error says what to do.
func (h *Handler) labelled(ctx context.Context, client *kube.Client, event Event, cause error) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	if label := event.Properties.Text("PruneLabel"); strings.HasPrefix(label, cdkPruneLabel) {
		found, err := client.Labelled(ctx, label, []string{""})
		if err != nil {
			return nil, err
		}
		for i := range found {
			objects = append(objects, &found[i])
		}
	}
	if len(objects) == 0 {
		f := *fault.As(cause)
		f.Message += "; without it nothing says what to delete"
		return nil, f.WithNext("Put the object back and let the function's role read it, or delete the stack with this resource retained and delete its objects by kubectl.")
	}
	h.options.Log.LogAttrs(ctx, slog.LevelWarn, "the manifest is not in S3 any more: only what the label finds is deleted",
		slog.String("cluster", event.Properties.Text("ClusterName")))
	return objects, nil
}

// namespacesOf returns the namespaces of objects, without repetition.
func namespacesOf(objects []*unstructured.Unstructured) []string {
	var names []string
	seen := map[string]bool{}
	for _, object := range objects {
		name := object.GetNamespace()
		if name == "" {
			name = "default"
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// remove deletes the objects of a resource, except for those that another manifest has taken over:
// when a resource gets another logical id, CloudFormation creates the new one and then deletes the
// old one, which has the same objects.
func (h *Handler) remove(ctx context.Context, client *kube.Client, event Event, objects []*unstructured.Unstructured, patience time.Duration) []kube.Result {
	label, _, _ := strings.Cut(event.Properties.Text("PruneLabel"), "=")
	if !strings.HasPrefix(label, cdkPruneLabel) {
		return client.Delete(ctx, objects, patience)
	}
	var results []kube.Result
	var own []*unstructured.Unstructured
	for _, object := range objects {
		live, err := client.Live(ctx, object)
		if err == nil && takenOver(live, label) {
			results = append(results, kube.Result{Object: kube.Describe(object), Change: kube.Unchanged})
			continue
		}
		// Who may delete need not be allowed to look.
		own = append(own, object)
	}
	return append(results, client.Delete(ctx, own, patience)...)
}

// takenOver reports whether an object carries another manifest's label and not this one's.
func takenOver(live *unstructured.Unstructured, label string) bool {
	labels := live.GetLabels()
	if _, ours := labels[label]; ours {
		return false
	}
	for name := range labels {
		if strings.HasPrefix(name, cdkPruneLabel) {
			return true
		}
	}
	return false
}
