package kubectl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/file"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// objectsRequest is a KubernetesResource's properties.
type objectsRequest struct {
	manifest  manifest
	overwrite bool
	options   kube.WriteOptions
	reporting bool
}

// resource carries out a KubernetesResource: objects that are created, applied or deleted.
//
// Create creates, and fails for an object that exists, unless Overwrite; Update applies; both go on
// after an object that fails, as kubectl does, and report every failure at the end. An Update with a
// PruneLabel also deletes what was of the resource before and is not any more. A Delete waits
// for the objects to be gone, for PatienceSeconds where they are given, and for a stack as long as there is time.
func (h *Handler) resource(ctx context.Context, event Event) (Outcome, error) {
	request, err := objectsOf(event)
	if err != nil {
		return Outcome{}, err
	}
	client, err := h.cluster(ctx, event)
	if event.RequestType == Delete && gone(err) {
		// The objects went with their cluster.
		return Outcome{}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	objects, err := h.read(ctx, request.manifest)
	if event.RequestType == Delete && file.Absent(err) {
		objects, err = h.labelled(ctx, client, event, err)
	}
	if err != nil {
		return Outcome{}, err
	}
	if len(objects) == 0 && event.RequestType != Delete {
		return Outcome{}, invalid(request.manifest.property, "has no objects")
	}
	var outcome Outcome
	outcome.Objects, err = h.converge(ctx, client, event, request, objects)
	if err == nil && request.reporting {
		outcome.Data, err = report(outcome.Objects)
	}
	return outcome, err
}

// objectsOf reads the properties of a KubernetesResource.
func objectsOf(event Event) (objectsRequest, error) {
	var request objectsRequest
	var err error
	if request.manifest, err = manifestOf(event.Properties); err != nil {
		return objectsRequest{}, err
	}
	if event.RequestType != Delete {
		if err := event.unresolved(request.manifest.property); err != nil {
			return objectsRequest{}, err
		}
	}
	for name, flag := range map[string]*bool{
		"Overwrite":      &request.overwrite,
		"SkipValidation": &request.options.SkipValidation,
		"ReportChanges":  &request.reporting,
	} {
		if *flag, err = event.Properties.Flag(name); err != nil {
			return objectsRequest{}, err
		}
	}
	return request, nil
}

// converge does to the objects what is asked for.
func (h *Handler) converge(ctx context.Context, client *kube.Client, event Event, request objectsRequest, objects []*unstructured.Unstructured) ([]kube.Result, error) {
	if event.RequestType == Delete {
		patience, err := event.Properties.Seconds("PatienceSeconds", h.deletePatience(ctx, event).Seconds())
		if err != nil {
			return nil, err
		}
		results := h.remove(ctx, client, event, objects, time.Duration(patience*float64(time.Second)))
		return results, failures(results)
	}
	write := client.Apply
	if event.RequestType == Create && !request.overwrite {
		write = client.Create
	}
	w := writer{write: write, options: request.options, patient: event.ofStack()}
	results := w.all(ctx, objects)
	err := failures(results)
	if err != nil {
		if event.RequestType == Create && event.ofStack() && !errors.Is(err, kube.ErrStale) {
			err = undo(ctx, client, objects, results, err)
		}
		return results, err
	}
	pruned := h.prune(ctx, client, event, objects)
	return append(results, pruned...), failures(pruned)
}

// deletePatience is how long a Delete waits that does not say so. A stack's waits as long as there is
// time, as kubectl does: nodes are drained and load balancers deleted meanwhile, and nobody asks again.
func (h *Handler) deletePatience(ctx context.Context, event Event) time.Duration {
	if deadline, ok := ctx.Deadline(); ok && event.ofStack() {
		return max(0, time.Until(deadline)-reserve)
	}
	return h.options.DeletePatience
}

// undo deletes what a failed creation had created, and says so in its error. CloudFormation never
// asks for that: the resource counts as not created. Left alone, the objects would be in the way of
// the next attempt.
func undo(ctx context.Context, client *kube.Client, objects []*unstructured.Unstructured, results []kube.Result, cause error) error {
	var made []*unstructured.Unstructured
	for i, result := range results {
		if result.Change == kube.Created && objects[i].GetName() != "" {
			made = append([]*unstructured.Unstructured{objects[i]}, made...)
		}
	}
	if len(made) == 0 {
		return cause
	}
	// The creation may have failed because its time was over; what was kept of it is for this.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	var left []string
	for _, result := range client.Delete(ctx, made, 0) {
		if result.Err != nil && fault.CodeOf(result.Err) != fault.InProgress {
			left = append(left, result.Object)
		}
	}
	f := *fault.As(cause)
	f.Message += fmt.Sprintf("; %d of %d objects had been created and are deleted again", len(made)-len(left), len(results))
	if len(left) > 0 {
		f.Message += "; left behind: " + strings.Join(left, ", ")
	}
	return &f
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
