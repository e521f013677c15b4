package kubectl

import (
	"context"
	"encoding/json"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// Plan is a request type of our own, which only a direct caller sends: it says what an Update with
// the same properties would do, and does nothing. It is a type and no property, because a function
// that does not know it refuses it, where an unknown property would be passed over and the Update made.
const Plan customresource.RequestType = protocol.Plan

// plan carries out a Plan. Its answer is a JSON array with each object, what would become of it, and
// which of its fields would change.
func (h *Handler) plan(ctx context.Context, event Event) (Outcome, error) {
	var planned []kube.Planned
	var err error
	switch event.ResourceType {
	case protocol.Resource:
		planned, err = h.planObjects(ctx, event.Properties)
	case protocol.Chart:
		planned, err = h.planChart(ctx, event.Properties)
	default:
		err = fault.New(fault.InvalidRequest, "invalid request type %s for %s", event.RequestType, event.ResourceType)
	}
	if err != nil {
		return Outcome{}, err
	}
	type change struct {
		Object  string      `json:"object"`
		Change  kube.Change `json:"change"`
		Details []string    `json:"details,omitempty"`
	}
	changes := make([]change, 0, len(planned))
	for _, p := range planned {
		changes = append(changes, change(p))
	}
	text, err := json.Marshal(changes)
	if err != nil {
		return Outcome{}, fault.Wrap(fault.Internal, err, "encode the plan")
	}
	return Outcome{Data: map[string]string{"Value": string(text)}}, nil
}

// planObjects plans the objects of a manifest.
func (h *Handler) planObjects(ctx context.Context, properties Properties) ([]kube.Planned, error) {
	manifest, err := manifestOf(properties)
	if err != nil {
		return nil, err
	}
	client, err := h.connect(ctx, properties)
	if err != nil {
		return nil, err
	}
	objects, err := h.read(ctx, manifest)
	if err != nil {
		return nil, err
	}
	var all []kube.Planned
	for _, object := range objects {
		planned, err := client.Plan(ctx, object, kube.WriteOptions{})
		if err != nil {
			return nil, err
		}
		all = append(all, planned)
	}
	return all, nil
}

// planChart plans a release.
func (h *Handler) planChart(ctx context.Context, properties Properties) ([]kube.Planned, error) {
	wanted, err := releaseOf(properties)
	if err != nil {
		return nil, err
	}
	cluster, err := h.connect(ctx, properties)
	if err != nil {
		return nil, err
	}
	chart, err := h.options.Charts.Load(ctx, sourceOf(properties))
	if err != nil {
		return nil, err
	}
	return helm.New(cluster, helm.Options{Patience: h.options.ChartPatience}).Plan(ctx, chart, wanted)
}
