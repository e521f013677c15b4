// Package verify looks at a finished environment as its users will: nodes, DNS, controller, the way of
// the logs and the roles' rights; and where something was changed, it has a pod run. What is amiss
// becomes a finding, which stops nothing.
package verify

import (
	"context"
	"errors"
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// cluster is the part of the kubectl function that the stage needs.
type cluster interface {
	List(ctx context.Context, kind, namespace string, fields client.Fields) ([]client.Object, error)
	Deployment(ctx context.Context, namespace, name string) (client.Deployment, bool, error)
	Pod(ctx context.Context, namespace, name string) (client.Pod, bool, error)
	Create(ctx context.Context, object client.Object) ([]client.Change, error)
	Delete(ctx context.Context, object client.Object) error
}

// Stage is the Verify stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run looks at the environment. It leaves nothing behind and changes nothing, except that it starts
// and deletes a pod where something is new; it answers [fault.InProgress] until that pod has run. For a
// plan there is nothing to look at.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Verification, error) {
	if in.State.Request.Plans() {
		return nothing(), nil
	}
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	probing, err := worthProbing(ctx, t.Stacks, in.State)
	if err != nil {
		return nil, err
	}
	return look(ctx, client.Of(t.Config, in.State), in, probing)
}

func look(ctx context.Context, c cluster, in stage.Input, probing bool) (*environment.Verification, error) {
	v, s, without := nothing(), in.State, ""
	if probing {
		node, err := probe(ctx, c, in, v)
		if err = seen(v, err); err != nil {
			return nil, err
		}
		if s.Request.NodeType == environment.NodeTypeFargate {
			without = node
		}
	}
	if err := seen(v, nodes(ctx, c, s, v, without)); err != nil {
		return nil, err
	}
	for _, check := range []func(context.Context, cluster, environment.State, *environment.Verification) error{deployments, logs, roles} {
		if err := seen(v, check(ctx, c, s, v)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// seen makes a finding of a look that met more than the kubectl function answers with: no time cures it,
// and the environment exists.
func seen(v *environment.Verification, err error) error {
	if !errors.Is(err, client.ErrTooLarge) {
		return err
	}
	find(v, "NotLooked", "look at it with kubectl; nothing is wrong because of this", "a part of the environment is too large to be looked at: %s", fault.As(err).Message)
	return nil
}

// nothing is a verification that has found nothing, and nothing amiss.
func nothing() *environment.Verification {
	return &environment.Verification{
		Progress: environment.Progress{Change: environment.Unchanged},
		Nodes:    []environment.NodeResult{},
		Findings: []environment.Finding{},
	}
}

func find(v *environment.Verification, code, next, format string, args ...any) {
	v.Findings = append(v.Findings, finding.Warningf(code, "", format, args...).WithNext("%s", next))
}

// node is what is read of a Node.
type node struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Status struct {
		NodeInfo struct {
			KubeletVersion string `json:"kubeletVersion"`
		} `json:"nodeInfo"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (n node) ready() bool {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// namedNodes bounds how many nodes get a finding of their own: the state document has 256 KiB
// (aws-traps.md, row 3.5).
const namedNodes = 10

// nodes looks at every node but one: on Fargate the probe's own is about to go.
func nodes(ctx context.Context, c cluster, s environment.State, v *environment.Verification, without string) error {
	items, err := c.List(ctx, "nodes", "default", client.FieldsOf[node]())
	if err != nil {
		return err
	}
	var sick, well []environment.NodeResult
	for _, item := range items {
		n, err := client.Decode[node](item)
		if err != nil {
			return err
		}
		if n.Metadata.Name == without {
			continue
		}
		result := environment.NodeResult{Name: n.Metadata.Name, Version: n.Status.NodeInfo.KubeletVersion, Ready: n.ready()}
		if result.Ready {
			well = append(well, result)
			continue
		}
		if sick = append(sick, result); len(sick) <= namedNodes {
			find(v, "NodeNotReady", "describe the node and look at its conditions", "node %s is not ready", result.Name)
		}
	}
	ready := len(well)
	if more := len(sick) - namedNodes; more > 0 {
		find(v, "NodeNotReady", "look at the result's nodes", "%d more nodes are not ready", more)
	}
	all := slices.Concat(sick, well)
	v.Nodes = append(v.Nodes, all[:min(len(all), environment.MaxListed)]...)
	v.MoreNodes = len(all) - len(v.Nodes)
	if want := s.Request.NodeGroupMinSize; ready < want {
		find(v, "TooFewNodes", "look at the health issues of the node group in the EKS console", "%d of at least %d nodes are ready", ready, want)
	}
	return nil
}

func deployments(ctx context.Context, c cluster, _ environment.State, v *environment.Verification) error {
	for _, name := range []string{"coredns", "aws-load-balancer-controller"} {
		d, found, err := c.Deployment(ctx, "kube-system", name)
		switch {
		case err != nil:
			return err
		case !found:
			find(v, "DeploymentMissing", "start the same request again", "Deployment kube-system/%s does not exist", name)
		case !d.RolledOut():
			find(v, "DeploymentNotReady", "describe its pods and look at their events", "%s", d)
		}
	}
	return nil
}
