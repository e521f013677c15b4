package kubectl

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	// kindPatience bounds a stack's wait for a kind that another of its resources, such as a chart,
	// may be about to bring.
	kindPatience = 20 * time.Second
	kindPause    = time.Second
)

// writer writes the objects of a manifest.
type writer struct {
	// write is kube.Client's Create or Apply.
	write   func(context.Context, *unstructured.Unstructured, kube.WriteOptions) (kube.Change, error)
	options kube.WriteOptions
	// patient has it wait for kinds that do not exist yet.
	patient bool
}

// all writes the objects in their order. One that fails does not keep the next from being tried. Those
// whose kind did not exist are tried again: a later object may have been its definition.
func (w writer) all(ctx context.Context, objects []*unstructured.Unstructured) []kube.Result {
	results := make([]kube.Result, len(objects))
	for i, object := range objects {
		results[i] = w.one(ctx, object)
		if errors.Is(results[i].Err, kube.ErrStale) {
			return results[:i+1]
		}
	}
	end := time.Now()
	if w.patient {
		end = end.Add(kindPatience)
	}
	for again := w.hasDefinition(objects) || w.patient; again; again = time.Now().Before(end) && timer.Wait(ctx, kindPause) == nil {
		if !w.repeat(ctx, objects, results) {
			break
		}
	}
	return results
}

// one writes one object.
func (w writer) one(ctx context.Context, object *unstructured.Unstructured) kube.Result {
	change, err := w.write(ctx, object, w.options)
	return kube.Result{Object: kube.Describe(object), Change: change, Err: err}
}

// repeat writes the objects whose kind did not exist, and reports whether there are any still.
func (w writer) repeat(ctx context.Context, objects []*unstructured.Unstructured, results []kube.Result) bool {
	missing := false
	for i := range results {
		if !noKind(results[i].Err) {
			continue
		}
		results[i] = w.one(ctx, objects[i])
		missing = missing || noKind(results[i].Err)
	}
	return missing
}

// hasDefinition reports whether one of the objects defines a kind.
func (w writer) hasDefinition(objects []*unstructured.Unstructured) bool {
	for _, object := range objects {
		if object.GetKind() == "CustomResourceDefinition" {
			return true
		}
	}
	return false
}

// noKind reports whether an error says that the cluster does not know an object's kind.
func noKind(err error) bool {
	var kind *meta.NoKindMatchError
	var resource *meta.NoResourceMatchError
	return errors.As(err, &kind) || errors.As(err, &resource)
}
