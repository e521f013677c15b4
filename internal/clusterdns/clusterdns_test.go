package clusterdns

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

var _ cluster = (*client.Client)(nil)

// fakeCluster has a CoreDNS that comes after some looks, and takes patches.
type fakeCluster struct {
	// comes is the number of looks after which the Deployment is there.
	comes    int
	compute  string
	own      []environment.Toleration
	ready    bool
	patchErr []error
	pods     []client.Pod

	looks   int
	patches []string
	deleted []string
}

func (c *fakeCluster) Pods(context.Context, string) ([]client.Pod, error) { return c.pods, nil }

func (c *fakeCluster) Delete(_ context.Context, object client.Object) error {
	metadata, _ := object["metadata"].(map[string]any)
	c.deleted = append(c.deleted, fmt.Sprint(object["kind"], " ", metadata["namespace"], "/", metadata["name"]))
	c.ready = true
	return nil
}

// waiting is a pod that was made a minute ago and has no node.
func waiting(name, scheduler string, change ...func(*client.Pod)) client.Pod {
	var p client.Pod
	p.Metadata.Name, p.Spec.SchedulerName, p.Status.Phase = name, scheduler, "Pending"
	p.Metadata.CreationTimestamp = time.Now().Add(-time.Minute)
	p.Metadata.OwnerReferences = append(p.Metadata.OwnerReferences, struct {
		Controller bool `json:"controller"`
	}{true})
	for _, c := range change {
		c(&p)
	}
	return p
}

// On a cluster without nodes a pod that no profile matched when it was made waits for ever.
func TestFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := func(p *client.Pod) { p.Spec.NodeName = "ip-10-0-0-1" }
		alone := func(p *client.Pod) { p.Metadata.OwnerReferences = nil }
		young := func(p *client.Pod) { p.Metadata.CreationTimestamp = time.Now() }
		runs := func(p *client.Pod) { p.Status.Phase = "Running" }
		pods := []client.Pod{
			waiting("stranded", "default-scheduler"), waiting("matched", "fargate-scheduler"), waiting("bound", "default-scheduler", on),
			waiting("nobody's", "default-scheduler", alone), waiting("young", "default-scheduler", young), waiting("runs", "default-scheduler", runs),
		}
		c := &fakeCluster{compute: "fargate", pods: pods}
		if _, freed, err := converge(t.Context(), c, placement{fargate: true}, time.Now()); err != nil || !freed {
			t.Errorf("on Fargate: freed %v, %v", freed, err)
		}
		if diff := cmp.Diff([]string{"Pod kube-system/stranded"}, c.deleted); diff != "" {
			t.Errorf("on Fargate (-want +got):\n%s", diff)
		}
		c = &fakeCluster{pods: pods, ready: true}
		if _, freed, err := converge(t.Context(), c, placement{}, time.Now()); err != nil || freed || c.deleted != nil {
			t.Errorf("on nodes they may wait for one: deleted %v, %v", c.deleted, err)
		}
	})
}

func (c *fakeCluster) Deployment(context.Context, string, string) (client.Deployment, bool, error) {
	c.looks++
	var d client.Deployment
	if c.compute != "" {
		d.Spec.Template.Metadata.Annotations = map[string]string{computeType: c.compute}
	}
	d.Spec.Template.Spec.Tolerations = c.own
	if c.ready {
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 2, 2, 2
	}
	return d, c.looks > c.comes, nil
}

func (c *fakeCluster) Patch(_ context.Context, namespace, object string, patch any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	c.patches = append(c.patches, namespace+" "+object+" "+string(text))
	if n := len(c.patches); n <= len(c.patchErr) {
		return c.patchErr[n-1]
	}
	if strings.Contains(string(text), "tolerations") {
		c.own = append(c.own, batch())
	} else {
		c.compute = "fargate"
	}
	c.ready = true
	return nil
}

// batch is the toleration of a taint of the nodes; system is one that EKS gives CoreDNS.
func batch() environment.Toleration {
	return environment.Toleration{Key: "dedicated", Operator: "Equal", Value: "batch", Effect: "NoSchedule"}
}

func system() environment.Toleration {
	return environment.Toleration{Key: "CriticalAddonsOnly", Operator: "Exists"}
}

func TestConverge(t *testing.T) {
	const patch = `kube-system deployment/coredns {"spec":{"template":{"metadata":{"annotations":{"eks.amazonaws.com/compute-type":"fargate"}}}}}`
	const tolerate = `kube-system deployment/coredns {"spec":{"template":{"spec":{"tolerations":[{"key":"CriticalAddonsOnly","operator":"Exists"},` +
		`{"key":"dedicated","operator":"Equal","value":"batch","effect":"NoSchedule"}]}}}}`
	nodes, fargate, tainted := placement{}, placement{fargate: true}, placement{tolerations: []environment.Toleration{batch()}}
	cases := map[string]struct {
		reason  string
		cluster fakeCluster
		want    placement
		code    fault.Code
		took    time.Duration
		patches []string
	}{
		"Nodes":     {"on nodes it runs as EKS made it", fakeCluster{compute: "ec2", ready: true}, nodes, "", 0, nil},
		"Moved":     {"on Fargate it is moved there once", fakeCluster{compute: "ec2", ready: true}, fargate, "", 2 * time.Second, []string{patch}},
		"Unset":     {"the annotation may be missing", fakeCluster{}, fargate, "", 2 * time.Second, []string{patch}},
		"There":     {"what has been moved is left alone", fakeCluster{compute: "fargate", ready: true}, fargate, "", 0, nil},
		"Comes":     {"EKS makes it after the cluster", fakeCluster{comes: 2, ready: true}, nodes, "", 4 * time.Second, nil},
		"Never":     {"an attempt lasts its window", fakeCluster{}, nodes, "InProgress", 25 * time.Second, nil},
		"Busy":      {"a patch that has to wait is part of what is polled", fakeCluster{patchErr: []error{fault.New(fault.InProgress, "m")}}, fargate, "", 4 * time.Second, []string{patch, patch}},
		"Tainted":   {"taints of the only nodes are tolerated, besides what EKS has it tolerate", fakeCluster{own: []environment.Toleration{system()}, ready: true}, tainted, "", 2 * time.Second, []string{tolerate}},
		"Tolerant":  {"once", fakeCluster{own: []environment.Toleration{system(), batch()}, ready: true}, tainted, "", 0, nil},
		"Forbidden": {"a refusal is one at once", fakeCluster{patchErr: []error{fault.New(fault.AccessDenied, "m")}}, fargate, "AccessDenied", 0, []string{patch}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, _, err := converge(t.Context(), &tc.cluster, tc.want, start)
				if code, took := fault.CodeOf(err), time.Since(start); code != tc.code || took != tc.took {
					t.Errorf("%s: %q (%v) after %s, want %q after %s", tc.reason, code, err, took, tc.code, tc.took)
				}
				if diff := cmp.Diff(tc.patches, tc.cluster.patches); diff != "" {
					t.Errorf("%s: patches (-want +got):\n%s", tc.reason, diff)
				}
			})
		})
	}
}

func TestPlan(t *testing.T) {
	moved := []client.Change{{
		Object: "Deployment kube-system/coredns", Change: "updated",
		Details: []string{"spec.template.metadata.annotations.eks.amazonaws.com/compute-type: fargate"},
	}}
	cases := map[string]struct {
		reason  string
		cluster fakeCluster
		fargate bool
		want    []client.Change
	}{
		"Nodes": {"on nodes it stays as EKS made it", fakeCluster{compute: "ec2"}, false, nil},
		"Moved": {"on Fargate it would be moved", fakeCluster{compute: "ec2"}, true, moved},
		"There": {"what has been moved is left alone", fakeCluster{compute: "fargate"}, true, nil},
		"New":   {"EKS makes it with the cluster", fakeCluster{comes: 9}, true, moved},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := plan(t.Context(), &tc.cluster, placement{fargate: tc.fargate})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if len(tc.cluster.patches) > 0 {
				t.Errorf("%s: patches %v", tc.reason, tc.cluster.patches)
			}
		})
	}
}
