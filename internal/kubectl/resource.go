package kubectl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// resource carries out a KubernetesResource: objects that are created, applied or deleted.
//
// Create creates, and fails for an object that exists, unless Overwrite; Update applies; both go on
// after an object that fails, as kubectl does, and report every failure at the end. An Update with a
// PruneLabel also deletes what the old properties' manifest had and the new one has not.
func (h *Handler) resource(ctx context.Context, event Event) (Outcome, error) {
	objects, err := manifestOf(event.Properties)
	if err != nil {
		return Outcome{}, err
	}
	overwrite, err := event.Properties.Flag("Overwrite")
	if err != nil {
		return Outcome{}, err
	}
	skip, err := event.Properties.Flag("SkipValidation")
	if err != nil {
		return Outcome{}, err
	}
	reporting, err := event.Properties.Flag("ReportChanges")
	if err != nil {
		return Outcome{}, err
	}
	if len(objects) == 0 && event.RequestType != Delete {
		return Outcome{}, invalid("Manifest", "has no objects")
	}
	client, err := h.cluster(ctx, event)
	if event.RequestType == Delete && gone(err) {
		// The objects went with their cluster.
		return Outcome{}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	options := kube.WriteOptions{SkipValidation: skip}
	switch {
	case event.RequestType == Delete:
		outcome.Objects = client.Delete(ctx, objects, h.options.DeletePatience)
	case event.RequestType == Create && !overwrite:
		outcome.Objects = each(ctx, objects, options, client.Create)
	default:
		outcome.Objects = each(ctx, objects, options, client.Apply)
		outcome.Objects = append(outcome.Objects, h.prune(ctx, client, event, objects)...)
	}
	if err := failures(outcome.Objects); err != nil {
		return outcome, err
	}
	if reporting {
		outcome.Data, err = report(outcome.Objects)
	}
	return outcome, err
}

// manifestOf reads the manifest of a resource's properties.
func manifestOf(properties Properties) ([]*unstructured.Unstructured, error) {
	text, err := properties.Required("Manifest")
	if err != nil {
		return nil, err
	}
	return parseManifest(text)
}

// write is kube.Client's Create or Apply.
type write func(context.Context, *unstructured.Unstructured, kube.WriteOptions) (kube.Change, error)

// each writes the objects in their order.
func each(ctx context.Context, objects []*unstructured.Unstructured, options kube.WriteOptions, write write) []kube.Result {
	results := make([]kube.Result, 0, len(objects))
	for _, object := range objects {
		change, err := write(ctx, object, options)
		results = append(results, kube.Result{Object: kube.Describe(object), Change: change, Err: err})
		if errors.Is(err, kube.ErrStale) {
			break
		}
	}
	return results
}

// prune deletes the objects that an Update's manifest no longer has. An object without the resource's
// label is left alone: the CDK puts it on all objects of a manifest, so another manifest has taken
// this one over. Objects that no manifest at hand names are not looked for.
func (h *Handler) prune(ctx context.Context, client *kube.Client, event Event, objects []*unstructured.Unstructured) []kube.Result {
	label := event.Properties.Text("PruneLabel")
	if label == "" || event.RequestType != Update || event.OldProperties.Text("Manifest") == "" ||
		event.OldProperties.Text("ClusterName") != event.Properties.Text("ClusterName") {
		return nil
	}
	before, err := manifestOf(event.OldProperties)
	if err != nil {
		return []kube.Result{{Object: "the old manifest", Err: err}}
	}
	key, value, _ := strings.Cut(label, "=")
	var results []kube.Result
	var ours []*unstructured.Unstructured
	for _, object := range removed(before, objects) {
		live, err := client.Live(ctx, object)
		switch {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		case err != nil:
			results = append(results, kube.Result{Object: kube.Describe(object), Err: err})
		default:
			if found, ok := live.GetLabels()[key]; ok && found == value {
				ours = append(ours, object)
			}
		}
	}
	return append(results, client.Delete(ctx, ours, h.options.DeletePatience)...)
}

// failures joins the errors among results to one, or returns nil. Its code is that of the first error
// that a repetition cannot cure, else of the first.
func failures(results []kube.Result) error {
	var first *fault.Error
	var texts []string
	var causes []error
	for _, result := range results {
		if result.Err == nil {
			continue
		}
		f := fault.As(result.Err)
		if first == nil || first.Code.Retried() && !f.Code.Retried() {
			first = f
		}
		texts = append(texts, f.Message)
		causes = append(causes, result.Err)
	}
	switch len(causes) {
	case 0:
		return nil
	case 1:
		return first
	}
	return &fault.Error{
		Code:    first.Code,
		Message: fmt.Sprintf("%d of %d objects failed: %s", len(causes), len(results), strings.Join(texts, "; ")),
		Next:    first.Next,
		Err:     errors.Join(causes...),
	}
}
