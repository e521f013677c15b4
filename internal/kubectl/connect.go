package kubectl

import (
	"context"
	"errors"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	// stackPatience is long enough for an API server that answers only minutes after its cluster has
	// become active, and for a webhook whose pods are on their way (aws-traps.md, rows 5.1 and 5.13).
	stackPatience = 3 * time.Minute
	// entryPatience is twice what a new access entry was seen to take (aws-traps.md, row 5.5): the
	// same stack may have made it a moment ago.
	entryPatience = time.Minute
	// describePause is as long as creating a cluster is slow.
	describePause = 10 * time.Second
)

// connect connects to the cluster that a request names, as the role that it names.
func (h *Handler) connect(ctx context.Context, properties Properties) (*kube.Client, error) {
	cluster, err := properties.Required("ClusterName")
	if err != nil {
		return nil, err
	}
	role := properties.Text("RoleArn")
	if err := h.options.Roles.Check(role); err != nil {
		return nil, err
	}
	client, err := h.options.Connector.Connect(ctx, cluster, role)
	if err != nil {
		return nil, err
	}
	return client.With(kube.Patience{}), nil
}

// cluster connects for a request. One of CloudFormation's waits for a cluster that is being created,
// and has more patience with it.
func (h *Handler) cluster(ctx context.Context, event Event) (*kube.Client, error) {
	for {
		client, err := h.connect(ctx, event.Properties)
		if err == nil && event.ofStack() {
			return client.With(h.options.Patience), nil
		}
		if err == nil || !event.ofStack() || event.RequestType == Delete || !errors.Is(err, kube.ErrClusterNotReady) {
			return client, err
		}
		if timer.Wait(ctx, h.options.DescribePause) != nil {
			return nil, err
		}
	}
}

// gone reports whether a cluster does not exist any more, or is about not to: what was in it went, or
// goes, with it.
func gone(err error) bool {
	return errors.Is(err, kube.ErrClusterNotFound) || errors.Is(err, kube.ErrClusterDeleting)
}
