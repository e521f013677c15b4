package loadbalancer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

var _ cluster = (*client.Client)(nil)

func state(access string, chart environment.ChartSource) environment.State {
	return environment.State{
		Request:    environment.Request{Region: "eu-west-1", APIAccess: access, Chart: chart},
		Names:      environment.Names{Environment: "opa-dev", Cluster: "opa-dev-cluster"},
		Network:    &environment.Network{VPCID: "vpc-1"},
		AddonRoles: &environment.AddonRoles{LoadBalancerControllerRoleARN: "arn:controller"},
	}
}

// fakeCluster answers by the number of times it was asked.
type fakeCluster struct {
	installs []error
	// ready is the number of looks after which the controller is ready.
	ready   int
	missing bool

	applied, installed, looks int
}

func (c *fakeCluster) Apply(context.Context, ...client.Object) ([]client.Change, error) {
	c.applied++
	return nil, nil
}

func (c *fakeCluster) Install(context.Context, client.Chart) ([]client.Change, error) {
	c.installed++
	if c.installed <= len(c.installs) {
		return nil, c.installs[c.installed-1]
	}
	return nil, nil
}

func (c *fakeCluster) Deployment(context.Context, string, string) (client.Deployment, bool, error) {
	c.looks++
	var d client.Deployment
	if c.looks > c.ready {
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 1, 1
	}
	return d, !c.missing, nil
}

func TestConverge(t *testing.T) {
	locked := fault.New(fault.InProgress, "another operation is in progress")
	many := make([]error, 100)
	for i := range many {
		many[i] = locked
	}
	cases := map[string]struct {
		reason    string
		cluster   fakeCluster
		code      fault.Code
		took      time.Duration
		installed int
	}{
		"Ready":   {"nothing is waited for", fakeCluster{}, "", 0, 1},
		"Rollout": {"pods take a while; the chart is installed once", fakeCluster{ready: 3}, "", 6 * time.Second, 1},
		"Locked":  {"a locked release is waited for", fakeCluster{installs: []error{locked, locked}}, "", 4 * time.Second, 3},
		"Stuck":   {"an attempt lasts its window, so that the attempts last the state's patience", fakeCluster{installs: many}, "InProgress", 25 * time.Second, 13},
		"Broken":  {"a failure is one at once", fakeCluster{installs: []error{fault.New(fault.Failed, "m")}}, "Failed", 0, 1},
		"Other":   {"a chart of another name makes no controller", fakeCluster{missing: true}, "Failed", 0, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := converge(t.Context(), &tc.cluster, state(environment.APIPrivate, environment.ChartSource{}), client.Chart{})
				if code, took := fault.CodeOf(err), time.Since(start); code != tc.code || took != tc.took {
					t.Errorf("%s: %q (%v) after %s, want %q after %s", tc.reason, code, err, took, tc.code, tc.took)
				}
				if tc.cluster.installed != tc.installed || tc.cluster.applied != tc.installed {
					t.Errorf("%s: applied %d, installed %d, want %d", tc.reason, tc.cluster.applied, tc.cluster.installed, tc.installed)
				}
			})
		})
	}
}

// The values are those of harmonix-contract.md, section 3.1, with the region's own registry.
func TestChart(t *testing.T) {
	source := environment.ChartSource{Repository: "https://charts.example", Version: "1.2.3"}
	values := func(more map[string]any) map[string]any {
		values := map[string]any{
			"clusterName": "opa-dev-cluster", "region": "eu-west-1", "vpcId": "vpc-1",
			"serviceAccount": map[string]any{"create": false, "name": "aws-load-balancer-controller"},
			"defaultTags":    map[string]string{"eks-environment": "opa-dev"},
			"keepTLSSecret":  true,
			"image":          map[string]any{"repository": "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon/aws-load-balancer-controller"},
		}
		for name, value := range more {
			values[name] = value
		}
		return values
	}
	isolated := state(environment.APIPrivate, environment.ChartSource{})
	isolated.Network.Isolated = true
	mirrored := func(image string) environment.State {
		s := state(environment.APIPrivate, environment.ChartSource{})
		s.Request.Images.LoadBalancerController = image
		return s
	}
	cases := map[string]struct {
		reason              string
		state               environment.State
		repository, version string
		values              map[string]any
	}{
		"Default": {"the function's own source", state(environment.APIPublicAndPrivate, environment.ChartSource{}), "https://charts.example", "1.2.3", values(nil)},
		"Request": {"the request's source goes before", state(environment.APIPublicAndPrivate, environment.ChartSource{Repository: "oci://r", Version: "2"}), "oci://r", "2", values(nil)},
		"Version": {"each part has its own default", state(environment.APIPublicAndPrivate, environment.ChartSource{Version: "2"}), "https://charts.example", "2", values(nil)},
		"Private": {"a private API has a NAT gateway all the same", state(environment.APIPrivate, environment.ChartSource{}), "https://charts.example", "1.2.3", values(nil)},
		"Isolated": {"services without an endpoint are off", isolated, "https://charts.example", "1.2.3",
			values(map[string]any{"enableShield": false, "enableWaf": false, "enableWafv2": false})},
		"Image": {"from a mirror, with the chart's own tag", mirrored("r.example.com:5000/lbc"), "https://charts.example", "1.2.3",
			values(map[string]any{"image": map[string]any{"repository": "r.example.com:5000/lbc"}})},
		"ImageTag": {"from a mirror, with a tag", mirrored("r.example.com/lbc:v3.4.0"), "https://charts.example", "1.2.3",
			values(map[string]any{"image": map[string]any{"repository": "r.example.com/lbc", "tag": "v3.4.0"}})},
	}
	nodes := state(environment.APIPublicAndPrivate, environment.ChartSource{})
	nodes.Request.Tags = map[string]string{"cost-center": "4711", "eks-environment": "mine", "a=b": "c", "elbv2.k8s.aws/cluster": "d"}
	nodes.Request.NodeTaints = []environment.Taint{{Key: "a", Value: "b", Effect: "NO_SCHEDULE"}, {Key: "c", Effect: "NO_EXECUTE"}, {Key: "d", Effect: "PREFER_NO_SCHEDULE"}}
	cases["Nodes"] = cases["Default"]
	c := cases["Nodes"]
	c.reason, c.state = "tags that the controller takes, and the taints of the only nodes", nodes
	c.values = values(map[string]any{
		"defaultTags": map[string]string{"eks-environment": "opa-dev", "cost-center": "4711"},
		"tolerations": []environment.Toleration{{Key: "a", Operator: "Equal", Value: "b", Effect: "NoSchedule"}, {Key: "c", Operator: "Equal", Effect: "NoExecute"}},
	})
	cases["Nodes"] = c
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := client.Chart{
				Release: "aws-load-balancer-controller", Namespace: "kube-system", Name: "aws-load-balancer-controller",
				Repository: tc.repository, Version: tc.version, Values: tc.values,
			}
			if diff := cmp.Diff(want, Chart(tc.state, source)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestServiceAccount(t *testing.T) {
	want := client.Object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{
		"name": "aws-load-balancer-controller", "namespace": "kube-system",
		"labels":      map[string]any{"app.kubernetes.io/name": "aws-load-balancer-controller"},
		"annotations": map[string]any{"eks.amazonaws.com/role-arn": "arn:controller"},
	}}
	if diff := cmp.Diff(want, ServiceAccount("arn:controller")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRegistry(t *testing.T) {
	cases := map[string]string{
		"us-east-1":    "602401143452.dkr.ecr.us-east-1.amazonaws.com",
		"eu-central-1": "602401143452.dkr.ecr.eu-central-1.amazonaws.com",
		"eu-south-1":   "590381155156.dkr.ecr.eu-south-1.amazonaws.com",
		"me-south-1":   "558608220178.dkr.ecr.me-south-1.amazonaws.com",
	}
	for region, want := range cases {
		if got := registry(region); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
}
