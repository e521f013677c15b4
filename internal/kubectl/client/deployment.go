package client

import (
	"context"
	"fmt"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// Deployment is what a stage looks at in a Deployment: what its pods are
// like and how far its rollout is.
type Deployment struct {
	Metadata struct {
		Name       string `json:"name"`
		Namespace  string `json:"namespace"`
		Generation int64  `json:"generation"`
		// CreationTimestamp is in whole seconds.
		CreationTimestamp time.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int32 `json:"replicas"`
		Template struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
			Spec struct {
				Tolerations []environment.Toleration `json:"tolerations"`
				Containers  []struct {
					Image string `json:"image"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Replicas           int32 `json:"replicas"`
		UpdatedReplicas    int32 `json:"updatedReplicas"`
		AvailableReplicas  int32 `json:"availableReplicas"`
		Conditions         []struct {
			Type           string    `json:"type"`
			LastUpdateTime time.Time `json:"lastUpdateTime"`
		} `json:"conditions"`
	} `json:"status"`
}

// RolledOut reports whether all replicas are of the newest template and available, as
// `kubectl rollout status` decides it.
func (d Deployment) RolledOut() bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	return s.ObservedGeneration >= d.Metadata.Generation && s.UpdatedReplicas >= want && s.Replicas <= s.UpdatedReplicas && s.AvailableReplicas >= s.UpdatedReplicas
}

// ChangedSince reports what happened to a rolled-out Deployment since a stage was entered. It is for
// a stage that changes it in one attempt and sees it ready in a later one.
func (d Deployment) ChangedSince(entered time.Time) environment.Change {
	// The API server counts in whole seconds.
	entered = entered.Truncate(time.Second)
	if !d.Metadata.CreationTimestamp.Before(entered) {
		return environment.Created
	}
	for _, c := range d.Status.Conditions {
		if c.Type == "Progressing" && !c.LastUpdateTime.Before(entered) {
			return environment.Updated
		}
	}
	return environment.Unchanged
}

// String says how far the rollout is.
func (d Deployment) String() string {
	return fmt.Sprintf("Deployment %s/%s: %d of %d replicas updated, %d available",
		d.Metadata.Namespace, d.Metadata.Name, d.Status.UpdatedReplicas, d.Status.Replicas, d.Status.AvailableReplicas)
}

// Deployment returns the Deployment of that name, and false if there is none.
func (c *Client) Deployment(ctx context.Context, namespace, name string) (Deployment, bool, error) {
	items, err := c.List(ctx, "deployments", namespace, FieldsOf[Deployment]())
	if err != nil {
		return Deployment{}, false, err
	}
	for _, item := range items {
		d, err := Decode[Deployment](item)
		if err != nil {
			return Deployment{}, false, err
		}
		if d.Metadata.Name == name {
			return d, true, nil
		}
	}
	return Deployment{}, false, nil
}
