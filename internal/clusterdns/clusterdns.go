// Package clusterdns makes the cluster's DNS run on the environment's capacity. Without it nothing
// in the cluster resolves a name, so it stands before everything that installs pods.
package clusterdns

import (
	"context"
	"slices"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

const (
	namespace, name = "kube-system", "coredns"
	// computeType is the annotation by which EKS keeps CoreDNS off Fargate, or not.
	computeType = "eks.amazonaws.com/compute-type"
	// fargateScheduler is what EKS has pods scheduled by that match a profile when they are made.
	// https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html
	fargateScheduler = "fargate-scheduler"
)

// cluster is the part of the kubectl function that the stage needs.
type cluster interface {
	Deployment(ctx context.Context, namespace, name string) (client.Deployment, bool, error)
	Patch(ctx context.Context, namespace, object string, patch any) error
	Pods(ctx context.Context, namespace string) ([]client.Pod, error)
	Delete(ctx context.Context, object client.Object) error
}

// Stage is the ClusterDNS stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run moves CoreDNS to Fargate where there is nothing else, makes it tolerate the nodes' taints, and
// answers [fault.InProgress] until its pods are ready.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.ClusterDNS, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	want := placement{fargate: in.State.Request.NodeType == environment.NodeTypeFargate, tolerations: in.State.Request.Tolerations()}
	c := client.Of(t.Config, in.State)
	if in.State.Request.Plans() {
		changes, err := plan(ctx, c, want)
		return &environment.ClusterDNS{Progress: c.Progress(changes)}, err
	}
	deployment, freed, err := converge(ctx, c, want, in.Entered)
	if err != nil {
		return nil, err
	}
	change := environment.Unchanged
	if want.fargate || len(want.tolerations) > 0 {
		change = deployment.ChangedSince(in.Entered)
	}
	if freed && change == environment.Unchanged {
		change = environment.Updated
	}
	return &environment.ClusterDNS{Progress: environment.Progress{Change: change}}, nil
}

// placement is what CoreDNS needs to run on the environment's capacity.
type placement struct {
	fargate     bool
	tolerations []environment.Toleration
}

// converge looks on until CoreDNS is ready, and places it where that is needed. It reports whether it has
// freed pods.
func converge(ctx context.Context, c cluster, want placement, entered time.Time) (client.Deployment, bool, error) {
	var deployment client.Deployment
	looked, freed := !want.fargate, false
	err := stage.Poll(ctx, func(ctx context.Context) error {
		found, exists, err := c.Deployment(ctx, namespace, name)
		if err != nil {
			return err
		}
		deployment = found
		if !exists {
			// EKS installs it a moment after the cluster is ACTIVE.
			return fault.New(fault.InProgress, "the cluster has no Deployment %s/%s yet", namespace, name)
		}
		if patch := want.patch(deployment); patch != nil {
			if err := c.Patch(ctx, namespace, "deployment/"+name, patch); err != nil {
				return err
			}
			return fault.New(fault.InProgress, "CoreDNS is being moved to the environment's capacity")
		}
		// While a new template is rolled out its old pods may be such that wait, and they go anyway.
		if !looked && deployment.ChangedSince(entered) == environment.Unchanged {
			if freed, err = free(ctx, c, entered); err != nil {
				return err
			}
			looked = true
		}
		if !deployment.RolledOut() {
			return fault.New(fault.InProgress, "CoreDNS is not ready: %s", deployment)
		}
		return nil
	})
	return deployment, freed, err
}

// free has the pods of the namespace made anew that no profile matched when they were made: on a cluster
// without nodes they wait for ever (aws-traps.md, row 5.9). That is so after the profile was deleted. Those
// made since the stage was entered have found it.
func free(ctx context.Context, c cluster, entered time.Time) (bool, error) {
	pods, err := c.Pods(ctx, namespace)
	if err != nil {
		return false, err
	}
	freed := false
	for _, p := range pods {
		waits := p.Status.Phase == "Pending" && p.Spec.NodeName == "" && p.Spec.SchedulerName != fargateScheduler
		if !waits || !p.Controlled() || !p.Metadata.CreationTimestamp.Before(entered.Truncate(time.Second)) {
			continue
		}
		metadata := map[string]any{"namespace": namespace, "name": p.Metadata.Name}
		if err := c.Delete(ctx, client.Object{"apiVersion": "v1", "kind": "Pod", "metadata": metadata}); err != nil {
			return false, err
		}
		freed = true
	}
	return freed, nil
}

// patch is what the Deployment lacks, nil if nothing.
func (p placement) patch(d client.Deployment) any {
	if p.fargate && d.Spec.Template.Metadata.Annotations[computeType] != "fargate" {
		return toFargate()
	}
	// A patch replaces the list as a whole, so it begins with what is there.
	all := slices.Clone(d.Spec.Template.Spec.Tolerations)
	for _, t := range p.tolerations {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	if len(all) == len(d.Spec.Template.Spec.Tolerations) {
		return nil
	}
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"tolerations": all}}}}
}

// plan says what converge would change. EKS installs CoreDNS with the cluster, so that it is never made.
func plan(ctx context.Context, c cluster, want placement) ([]client.Change, error) {
	deployment, _, err := c.Deployment(ctx, namespace, name)
	if err != nil || want.patch(deployment) == nil {
		return nil, err
	}
	detail := "spec.template.spec.tolerations"
	if want.fargate {
		detail = "spec.template.metadata.annotations." + computeType + ": fargate"
	}
	return []client.Change{{Object: "Deployment " + namespace + "/" + name, Change: environment.Updated, Details: []string{detail}}}, nil
}

// toFargate sets the annotation on the pods. Some clusters have it with another value and some do
// not have it at all; either way the template changes, so the pods are made anew, and only new pods
// are scheduled on a profile that is younger than they were (aws-traps.md, rows 1.35 and 5.9).
func toFargate() any {
	annotations := map[string]string{computeType: "fargate"}
	return map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}}}
}
