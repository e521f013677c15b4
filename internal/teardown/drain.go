package teardown

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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

// Drain is the stage of that name.
type Drain struct {
	connector target.Connector
	patience  time.Duration
}

// NewDrain returns the stage. Controllers in the cluster are given patience to take away what they have
// made, from the state's entry on.
func NewDrain(c target.Connector, patience time.Duration) *Drain {
	return &Drain{connector: c, patience: patience}
}

// Run removes what holds on to things outside of the cluster while the controllers that made those
// things are alive: Ingresses, Services with a load balancer, volume claims (aws-traps.md, rows 6.1 and
// 6.12). Then it removes load balancers that are left all the same.
//
// A cluster that cannot be reached, or is not there, stops nothing: what its controllers have made is
// found by its tags. Neither does an object that does not go: it goes with the cluster, and is reported.
// One whose deletion somebody refuses does: that is for a person to settle while everything is there.
func (d *Drain) Run(ctx context.Context, in stage.Input) (*environment.Drain, error) {
	t, err := target.Connect(ctx, d.connector, in)
	if err != nil {
		return nil, err
	}
	names, survey := in.State.Names, in.State.Survey
	late := func() bool { return time.Since(in.Entered) > d.patience }
	reach, err := reachable(ctx, eks.NewFromConfig(t.Config), names, survey)
	if err != nil {
		return nil, err
	}
	s := newSweep()
	inside := drainerOf(t.Config, names, survey)
	done := reach != ""
	outside := inventoryOf(t.Config, names, survey)
	err = stage.Poll(ctx, func(ctx context.Context) error {
		if !done {
			if reach, err = inside.attempt(ctx, late()); err != nil {
				return err
			}
			done = true
		}
		if err := s.run(ctx, outside.exposed()...); !late() || fault.CodeOf(err) != fault.InProgress {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	section := &environment.Drain{Removal: *s.section(), Reached: reach == "", Volumes: inside.volumes[:min(len(inside.volumes), maxVolumes)]}
	section.Kept = append(section.Kept, inside.kept...)
	section.Removed = append(section.Removed, inside.gone()...)
	if len(section.Removed) > 0 {
		section.Change = environment.Deleted
	}
	for _, left := range inside.left {
		section.Orphaned = append(section.Orphaned, environment.Leftover{What: left.text, Why: fmt.Sprintf(
			"was still there %s after its deletion%s, and went with the cluster: what its controller has made outside of the cluster may be left",
			inWords(d.patience), left.because())})
	}
	// Without a function nobody was ever in the cluster, or a deletion before this one has drained it.
	if !section.Reached && survey.StackID(names.ClusterStack) != "" && reach != noCluster && reach != noFunction {
		section.Orphaned = append(section.Orphaned, environment.Leftover{
			What: "cluster " + names.Cluster,
			Why:  "was deleted without a look into it, because " + reach + ": what its controllers have made without the cluster's tags may be left",
		})
	}
	section.Bound()
	return section, nil
}

// maxVolumes bounds the volumes that a later state may delete; those beyond are reported. They have a name and
// an id each, and the state document 256 KiB (aws-traps.md, row 3.5).
const maxVolumes = 1000

// drainerOf drains the environment's cluster through its kubectl function.
func drainerOf(cfg aws.Config, n environment.Names, survey *environment.Survey) *drainer {
	return &drainer{api: client.New(lambda.NewFromConfig(cfg), n.KubectlFunction, n.Cluster, survey.ClusterAdminRoleARN)}
}

const (
	noCluster  = "there is no cluster"
	noFunction = "there is no kubectl function"
)

// reachable says why the cluster cannot be drained, empty if it can.
func reachable(ctx context.Context, api clusterAPI, n environment.Names, survey *environment.Survey) (string, error) {
	cluster, err := clusterOf(ctx, api, n.Cluster)
	switch {
	case err != nil:
		return "", err
	case cluster == nil:
		return noCluster, nil
	case !slices.Contains([]types.ClusterStatus{types.ClusterStatusActive, types.ClusterStatusUpdating}, cluster.Status):
		return fmt.Sprintf("the cluster is %s", cluster.Status), nil
	case survey.StackID(n.KubectlStack) == "":
		return noFunction, nil
	}
	return "", nil
}

type clusterAPI interface {
	DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

// clusterOf is the cluster of that name, nil if there is none.
func clusterOf(ctx context.Context, api clusterAPI, name string) (*types.Cluster, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if awsfault.ClusterMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "describe cluster %s", name)
	}
	return out.Cluster, nil
}

// inWords is a duration as people say it.
func inWords(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f seconds", d.Seconds())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}
