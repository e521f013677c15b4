// Package loadbalancer installs the AWS Load Balancer Controller by Helm and waits until it
// answers: its webhook refuses every new Service until then (aws-traps.md, row 5.13).
package loadbalancer

import (
	"cmp"
	"context"
	"maps"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

const (
	namespace = "kube-system"
	// name is the release's, the Deployment's and the service account's name, and the subject in
	// the controller role's trust policy.
	name = "aws-load-balancer-controller"
)

// cluster is the part of the kubectl function that the stage needs.
type cluster interface {
	Apply(ctx context.Context, objects ...client.Object) ([]client.Change, error)
	Install(ctx context.Context, chart client.Chart) ([]client.Change, error)
	Deployment(ctx context.Context, namespace, name string) (client.Deployment, bool, error)
}

// Stage is the LoadBalancer stage.
type Stage struct {
	connector target.Connector
	source    environment.ChartSource
}

// New returns the stage. The chart comes from source unless the request names another.
func New(c target.Connector, source environment.ChartSource) *Stage {
	return &Stage{connector: c, source: source}
}

// Run installs the controller and answers [fault.InProgress] until its pods are ready.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.LoadBalancer, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	chart := Chart(in.State, s.source)
	c := client.Of(t.Config, in.State)
	if in.State.Request.Plans() {
		changes, err := install(ctx, c, in.State, chart)
		return &environment.LoadBalancer{Progress: c.Progress(changes), Repository: chart.Repository, Version: chart.Version}, err
	}
	deployment, err := converge(ctx, c, in.State, chart)
	if err != nil {
		return nil, err
	}
	return &environment.LoadBalancer{
		Progress:   environment.Progress{Change: deployment.ChangedSince(in.Entered)},
		Repository: chart.Repository,
		Version:    chart.Version,
	}, nil
}

// converge installs the chart and looks on until the controller is ready. The installation is part
// of what is polled: a release that another attempt still holds is in progress too.
func converge(ctx context.Context, c cluster, s environment.State, chart client.Chart) (client.Deployment, error) {
	var deployment client.Deployment
	installed := false
	err := stage.Poll(ctx, func(ctx context.Context) error {
		if !installed {
			if _, err := install(ctx, c, s, chart); err != nil {
				return err
			}
			installed = true
		}
		found, exists, err := c.Deployment(ctx, namespace, name)
		if err != nil {
			return err
		}
		deployment = found
		if !exists {
			return fault.New(fault.Failed, "chart %s %s of %s makes no Deployment %s/%s", chart.Name, chart.Version, chart.Repository, namespace, name).
				WithField("/chart").WithNext("name a repository that serves the AWS Load Balancer Controller's own chart")
		}
		if !deployment.RolledOut() {
			return fault.New(fault.InProgress, "the AWS Load Balancer Controller is not ready: %s", deployment)
		}
		return nil
	})
	return deployment, err
}

// install makes the service account and the release, and returns what that changed.
func install(ctx context.Context, c cluster, s environment.State, chart client.Chart) ([]client.Change, error) {
	account, err := c.Apply(ctx, ServiceAccount(s.AddonRoles.LoadBalancerControllerRoleARN))
	if err != nil {
		return nil, err
	}
	release, err := c.Install(ctx, chart)
	return append(account, release...), err
}

// ServiceAccount is the controller's, bound to its role. The chart does not make it, so that the
// binding outlives the release, as in Harmonix (harmonix-contract.md, section 3.1).
func ServiceAccount(roleARN string) client.Object {
	return client.Object{
		"apiVersion": "v1",
		"kind":       "ServiceAccount",
		"metadata": map[string]any{
			"name":        name,
			"namespace":   namespace,
			"labels":      map[string]any{"app.kubernetes.io/name": name},
			"annotations": map[string]any{"eks.amazonaws.com/role-arn": roleARN},
		},
	}
}

// defaultTags are the tags of load balancers and their groups: the request's, and the environment's.
func defaultTags(s environment.State) map[string]string {
	tags := map[string]string{}
	sent, _ := s.Request.BalancerTags()
	maps.Copy(tags, sent)
	tags[environment.Tag] = s.Names.Environment
	return tags
}

// Chart is the controller's release for s. What the request does not say about the chart's source is
// taken from fallback.
func Chart(s environment.State, fallback environment.ChartSource) client.Chart {
	values := map[string]any{
		"clusterName": s.Names.Cluster,
		// Without these two the controller asks the instance metadata service, which neither
		// Fargate nor a node with a hop limit of 1 lets it reach (aws-traps.md, row 5.14).
		"region":         s.Request.Region,
		"vpcId":          s.Network.VPCID,
		"serviceAccount": map[string]any{"create": false, "name": name},
		"image":          image(s.Request),
		// What the controller makes is in no stack, so the stacks' tags do not reach it.
		"defaultTags": defaultTags(s),
		// With another certificate at each upgrade, the API server would trust the new one while pods still
		// show the old one: for a minute no Service or Ingress could be written.
		"keepTLSSecret": true,
	}
	if tolerations := s.Request.Tolerations(); len(tolerations) > 0 {
		values["tolerations"] = tolerations
	}
	if s.Network.Isolated {
		// These services have no VPC endpoint, and without a way out the controller would wait for them
		// at every load balancer (aws-traps.md, row 5.15).
		values["enableShield"], values["enableWaf"], values["enableWafv2"] = false, false, false
	}
	return client.Chart{
		Release:    name,
		Namespace:  namespace,
		Name:       name,
		Repository: cmp.Or(s.Request.Chart.Repository, fallback.Repository),
		Version:    cmp.Or(s.Request.Chart.Version, fallback.Version),
		Values:     values,
	}
}

// image is the controller's, with a tag where the request names one; else the chart's own tag counts.
func image(r environment.Request) map[string]any {
	if r.Images.LoadBalancerController == "" {
		return map[string]any{"repository": registry(r.Region) + "/amazon/" + name}
	}
	repository, tag := environment.Image(r.Images.LoadBalancerController)
	values := map[string]any{"repository": repository}
	if tag != "" {
		values["tag"] = tag
	}
	return values
}
