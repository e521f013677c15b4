package kube

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// Result is what an operation did to one object.
type Result struct {
	// Object names it, as [Describe] does.
	Object string
	// Change is what was done, empty when Err is set.
	Change Change
	// Err is the classified reason why it was not done.
	Err error
}

// Delete deletes objects in the order given and then waits for them to be gone, patience at most.
//
// All deletions are sent before the first wait: the objects may depend on each other, and the last
// may be what permits the rest. One that does not exist, or whose kind does not, is no error and
// Unchanged. One that is not gone in time has an InProgress error that names its finalizers.
func (c *Client) Delete(ctx context.Context, objects []*unstructured.Unstructured, patience time.Duration) []Result {
	results := make([]Result, len(objects))
	targets := make([]*target, len(objects))
	for i, object := range objects {
		targets[i], results[i] = c.startDelete(ctx, object)
	}
	end := time.Now().Add(patience)
	for i, t := range targets {
		if results[i].Change == Deleted {
			results[i].Err = c.awaitGone(ctx, t, end)
		}
		if results[i].Err != nil {
			results[i].Change = ""
		}
	}
	return results
}

// startDelete sends one deletion.
func (c *Client) startDelete(ctx context.Context, object *unstructured.Unstructured) (*target, Result) {
	result := Result{Object: Describe(object)}
	t, err := c.target(ctx, object)
	if meta.IsNoMatchError(err) {
		result.Change = Unchanged
		return nil, result
	}
	if err != nil {
		result.Err = err
		return nil, result
	}
	result.Object = t.String()
	if t.object.GetName() == "" {
		result.Err = fault.New(fault.InvalidRequest, "%s: metadata.name is required to delete", t)
		return t, result
	}
	policy := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &policy}
	err = c.do(ctx, transient, func(ctx context.Context) error {
		return t.ResourceInterface.Delete(ctx, t.object.GetName(), options)
	})
	switch {
	case err == nil:
		result.Change = Deleted
	case apierrors.IsNotFound(err):
		result.Change = Unchanged
	default:
		result.Err = t.fault(err, "delete %s")
	}
	return t, result
}

// awaitGone waits until an object whose deletion was accepted is gone. It looks at least once, also
// when the objects before it have used up the time.
func (c *Client) awaitGone(ctx context.Context, t *target, end time.Time) error {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		live, err := c.get(ctx, t)
		switch {
		case apierrors.IsNotFound(err), err == nil && live.GetDeletionTimestamp() == nil:
			// A live object after an accepted deletion is a new one of the same name.
			return nil
		case apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err), apierrors.IsUnauthorized(err):
			// Who may delete need not be allowed to look, and may have deleted its own permission.
			return nil
		case err != nil:
			return t.fault(err, "wait for %s to be gone")
		}
		if time.Now().Add(delay).After(end) {
			return stillThere(t, live)
		}
		if timer.Wait(ctx, delay) != nil {
			return stillThere(t, live)
		}
	}
}

// stillThere says what holds an object back.
func stillThere(t *target, live *unstructured.Unstructured) error {
	if len(live.GetFinalizers()) == 0 {
		return fault.New(fault.InProgress, "%s is still being deleted", t)
	}
	return fault.New(fault.InProgress, "%s is still being deleted: it waits for its finalizers %s",
		t, strings.Join(live.GetFinalizers(), ", "))
}
