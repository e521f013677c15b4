// Package loadbalancer installs the AWS Load Balancer Controller by Helm and waits until it
// answers: its webhook refuses every new Service until then (aws-traps.md, row 5.13).
package loadbalancer

import (
	"cmp"
	"context"

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
	kubectl := client.Of(t.Config, in.State)
	_, err = kubectl.Apply(ctx, ServiceAccount(in.State.AddonRoles.LoadBalancerControllerRoleARN))
	if err != nil {
		return nil, err
	}
	chart := Chart(in.State, s.source)
	if _, err := kubectl.Install(ctx, chart); err != nil {
		return nil, err
	}
	var deployment client.Deployment
	err = stage.Poll(ctx, func(ctx context.Context) error {
		var found bool
		if deployment, found, err = kubectl.Deployment(ctx, namespace, name); err != nil {
			return err
		}
		if !found {
			return fault.New(fault.Failed, "chart %s %s of %s makes no Deployment %s/%s", chart.Name, chart.Version, chart.Repository, namespace, name).
				WithField("/chart").WithNext("name a repository that serves the AWS Load Balancer Controller's own chart")
		}
		if !deployment.RolledOut() {
			return fault.New(fault.InProgress, "the AWS Load Balancer Controller is not ready: %s", deployment)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &environment.LoadBalancer{
		Progress:   environment.Progress{Change: deployment.ChangedSince(in.Entered)},
		Repository: chart.Repository,
		Version:    chart.Version,
	}, nil
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
		"image":          map[string]any{"repository": registry(s.Request.Region) + "/amazon/" + name},
	}
	if s.Request.APIAccess == environment.APIPrivate {
		// These services have no VPC endpoint (aws-traps.md, row 5.15).
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
