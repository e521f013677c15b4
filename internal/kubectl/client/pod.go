package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// Pod is what a stage looks at in a Pod: where it is and how far it has come.
type Pod struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
		// CreationTimestamp is in whole seconds.
		CreationTimestamp time.Time  `json:"creationTimestamp"`
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
		OwnerReferences   []struct {
			Controller bool `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		NodeName      string `json:"nodeName"`
		SchedulerName string `json:"schedulerName"`
	} `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		Conditions []Condition `json:"conditions"`
		Containers []struct {
			State struct {
				Waiting    *Halt `json:"waiting"`
				Terminated *Halt `json:"terminated"`
			} `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// Condition is one of a Pod's conditions.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

// Halt is why a container does not run.
type Halt struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Ready reports whether the pod runs and is ready.
func (p Pod) Ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// Controlled reports whether somebody makes the pod anew when it is deleted.
func (p Pod) Controlled() bool {
	for _, owner := range p.Metadata.OwnerReferences {
		if owner.Controller {
			return true
		}
	}
	return false
}

// Pods returns the Pods of a namespace.
func (c *Client) Pods(ctx context.Context, namespace string) ([]Pod, error) {
	items, err := c.List(ctx, "pods", namespace, FieldsOf[Pod]())
	if err != nil {
		return nil, err
	}
	pods := make([]Pod, len(items))
	for i, item := range items {
		if pods[i], err = Decode[Pod](item); err != nil {
			return nil, err
		}
	}
	return pods, nil
}

// Pod returns the Pod of that name, and false if there is none.
func (c *Client) Pod(ctx context.Context, namespace, name string) (Pod, bool, error) {
	pods, err := c.Pods(ctx, namespace)
	for _, p := range pods {
		if p.Metadata.Name == name {
			return p, true, err
		}
	}
	return Pod{}, false, err
}

// Delete deletes an object and waits until it is gone, as long as ctx allows. One that does not exist
// is no error.
func (c *Client) Delete(ctx context.Context, object Object) error {
	manifest, err := json.Marshal([]Object{object})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "cannot encode an object")
	}
	_, err = c.call(ctx, "Delete", protocol.Resource, map[string]string{"Manifest": string(manifest)})
	return err
}
