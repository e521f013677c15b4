package teardown

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

const (
	// drainPatience is for how long controllers in the cluster are given to take away what they have
	// made, from the state's entry on. Load balancers take about two minutes, a controller that has to
	// be started first some more.
	drainPatience = 15 * time.Minute
)

// kubernetes is the part of the kubectl function that the stage needs.
type kubernetes interface {
	List(ctx context.Context, kind, namespace string) ([]client.Object, error)
	ListAll(ctx context.Context, kind string) ([]client.Object, error)
	Mark(ctx context.Context, objects ...client.Object) error
}

// Drain is the stage of that name.
type Drain struct{ connector target.Connector }

// NewDrain returns the stage.
func NewDrain(c target.Connector) *Drain { return &Drain{connector: c} }

// Run removes what holds on to things outside of the cluster while the controllers that made those
// things are alive: Ingresses, Services with a load balancer, volume claims (aws-traps.md, rows 6.1 and
// 6.12). Then it removes load balancers that are left all the same.
//
// A cluster that cannot be reached, or is not there, stops nothing: what its controllers have made is
// found by its tags.
func (d *Drain) Run(ctx context.Context, in stage.Input) (*environment.Drain, error) {
	t, err := target.Connect(ctx, d.connector, in)
	if err != nil {
		return nil, err
	}
	names, survey := in.State.Names, in.State.Survey
	late := time.Since(in.Entered) > drainPatience
	reach, err := reachable(ctx, eks.NewFromConfig(t.Config), names, survey)
	if err != nil {
		return nil, err
	}
	s := newSweep()
	work := func(ctx context.Context) error { return nil }
	inside := &cluster{}
	if reach == "" {
		inside.api = client.New(lambda.NewFromConfig(t.Config), names.KubectlFunction, names.Cluster, survey.ClusterAdminRoleARN)
		work = inside.drain
	}
	c := cloudOf(t.Config, names, survey)
	err = stage.Poll(ctx, func(ctx context.Context) error {
		if err := work(ctx); err != nil {
			if !late && fault.CodeOf(err).Retried() && !errors.Is(err, client.ErrNoFunction) {
				// Time may cure it, for as long as this stage waits.
				return fault.Wrap(fault.InProgress, err, "the cluster is not drained yet")
			}
			reach = fault.As(err).Message
			work = func(context.Context) error { return nil }
		}
		if err := s.run(ctx, c.balancers.loadBalancers, c.balancers.targetGroups); !late || fault.CodeOf(err) != fault.InProgress {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	section := &environment.Drain{Removal: *s.section(), Reached: reach == ""}
	section.Kept = append(section.Kept, inside.kept...)
	section.Removed = append(section.Removed, inside.removed...)
	if len(section.Removed) > 0 {
		section.Change = environment.Deleted
	}
	if !section.Reached && survey.StackID(names.ClusterStack) != "" {
		section.Orphaned = append(section.Orphaned, environment.Leftover{
			What: "cluster " + names.Cluster, Why: "was not looked into before its deletion: " + reach,
		})
	}
	return section, nil
}

// reachable says why the cluster cannot be drained, empty if it can.
func reachable(ctx context.Context, api clusterAPI, n environment.Names, survey *environment.Survey) (string, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &n.Cluster})
	switch {
	case awsfault.ClusterMissing(err):
		return "there is no cluster", nil
	case err != nil:
		return "", account.Classify(err, "describe cluster %s", n.Cluster)
	case !slices.Contains([]types.ClusterStatus{types.ClusterStatusActive, types.ClusterStatusUpdating}, out.Cluster.Status):
		return fmt.Sprintf("the cluster is %s", out.Cluster.Status), nil
	case survey.StackID(n.KubectlStack) == "":
		return "there is no kubectl function", nil
	}
	return "", nil
}

type clusterAPI interface {
	DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

// cluster is what was done in the cluster.
type cluster struct {
	api     kubernetes
	removed []string
	kept    []environment.Leftover
}

// drain deletes the objects and answers [fault.InProgress] until they are gone.
func (c *cluster) drain(ctx context.Context) error {
	if err := c.keep(ctx); err != nil {
		return err
	}
	var waiting []string
	// What has no finalizer is gone at the second look.
	for range 2 {
		waiting = nil
		for _, step := range []func(context.Context) ([]string, error){c.exposed, c.claims} {
			left, err := step(ctx)
			if err != nil {
				return err
			}
			waiting = append(waiting, left...)
		}
		if len(waiting) == 0 {
			return nil
		}
	}
	return fault.New(fault.InProgress, "%d objects in the cluster are still being deleted: %s", len(waiting), strings.Join(waiting[:min(len(waiting), 5)], ", "))
}

// keep notes the volumes that Kubernetes was told to keep.
func (c *cluster) keep(ctx context.Context) error {
	volumes, err := c.list(ctx, "persistentvolumes")
	if err != nil {
		return err
	}
	c.kept = nil
	for _, v := range volumes {
		if v.Spec.PersistentVolumeReclaimPolicy == "Retain" && v.Spec.CSI.VolumeHandle != "" {
			c.kept = append(c.kept, environment.Leftover{
				What: "volume " + v.Spec.CSI.VolumeHandle,
				Why:  "the reclaim policy of PersistentVolume " + v.Metadata.Name + " is Retain",
			})
		}
	}
	return nil
}

// exposed removes what load balancers were made for.
func (c *cluster) exposed(ctx context.Context) ([]string, error) {
	ingresses, err := c.list(ctx, "ingresses.networking.k8s.io")
	if err != nil {
		return nil, err
	}
	services, err := c.list(ctx, "services")
	if err != nil {
		return nil, err
	}
	services = slices.DeleteFunc(services, func(o object) bool { return o.Spec.Type != "LoadBalancer" })
	return c.remove(ctx, append(ingresses, services...))
}

// claims removes the claims of volumes, and what uses them: a claim stays for as long as a pod mounts
// it, and a StatefulSet makes its pods and claims anew.
func (c *cluster) claims(ctx context.Context) ([]string, error) {
	claims, err := c.list(ctx, "persistentvolumeclaims")
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	namespaces := map[string]bool{}
	for _, claim := range claims {
		namespaces[claim.Metadata.Namespace] = true
	}
	users, err := c.list(ctx, "statefulsets.apps")
	if err != nil {
		return nil, err
	}
	users = slices.DeleteFunc(users, func(o object) bool { return !namespaces[o.Metadata.Namespace] })
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		pods, err := c.api.List(ctx, "pods", namespace)
		if err != nil {
			return nil, err
		}
		mounting, err := decode(pods)
		if err != nil {
			return nil, err
		}
		users = append(users, slices.DeleteFunc(mounting, func(o object) bool { return !o.mounts() })...)
	}
	left, err := c.remove(ctx, claims)
	if err != nil {
		return nil, err
	}
	_, err = c.remove(ctx, users)
	return left, err
}

// object is what is read of an object in the cluster.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name              string   `json:"name"`
		Namespace         string   `json:"namespace"`
		DeletionTimestamp string   `json:"deletionTimestamp"`
		Finalizers        []string `json:"finalizers"`
	} `json:"metadata"`
	Spec struct {
		Type string `json:"type"`
		// The next two are a PersistentVolume's.
		PersistentVolumeReclaimPolicy string `json:"persistentVolumeReclaimPolicy"`
		CSI                           struct {
			VolumeHandle string `json:"volumeHandle"`
		} `json:"csi"`
		// Volumes are a pod's.
		Volumes []struct {
			Claim *struct{} `json:"persistentVolumeClaim"`
		} `json:"volumes"`
	} `json:"spec"`
}

func (o object) String() string {
	return fmt.Sprintf("%s %s/%s", o.Kind, o.Metadata.Namespace, o.Metadata.Name)
}

// mounts reports whether a pod uses a claim.
func (o object) mounts() bool {
	for _, v := range o.Spec.Volumes {
		if v.Claim != nil {
			return true
		}
	}
	return false
}

func (c *cluster) list(ctx context.Context, resource string) ([]object, error) {
	items, err := c.api.ListAll(ctx, resource)
	if err != nil {
		return nil, err
	}
	return decode(items)
}

func decode(items []client.Object) ([]object, error) {
	objects := make([]object, 0, len(items))
	for _, item := range items {
		o, err := client.Decode[object](item)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// remove marks the objects for deletion and names them with what they wait for.
func (c *cluster) remove(ctx context.Context, objects []object) (left []string, err error) {
	var mark []client.Object
	for _, o := range objects {
		text := o.String()
		if len(o.Metadata.Finalizers) > 0 {
			text += " (finalizers " + strings.Join(o.Metadata.Finalizers, ", ") + ")"
		}
		left = append(left, text)
		if o.Metadata.DeletionTimestamp == "" {
			mark = append(mark, client.Object{
				"apiVersion": o.APIVersion, "kind": o.Kind,
				"metadata": map[string]any{"name": o.Metadata.Name, "namespace": o.Metadata.Namespace},
			})
			c.removed = append(c.removed, o.String())
		}
	}
	if len(mark) == 0 {
		return left, nil
	}
	return left, c.api.Mark(ctx, mark...)
}
