package teardown

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// sweepPatience is for how long what is left in the network is given to go, from the state's entry on:
// network interfaces of Lambda functions take 45 minutes, sometimes more (aws-traps.md, row 6.2).
const sweepPatience = 90 * time.Minute

// SweepNetwork is the stage of that name.
type SweepNetwork struct{ connector target.Connector }

// NewSweepNetwork returns the stage.
func NewSweepNetwork(c target.Connector) *SweepNetwork { return &SweepNetwork{connector: c} }

// Run removes what the cluster and its nodes have left in the network, once they are gone, and waits
// until the VPC is empty but for the environment's own stack.
func (s *SweepNetwork) Run(ctx context.Context, in stage.Input) (*environment.Removal, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	c := cloudOf(t.Config, in.State.Names, in.State.Survey)
	late := time.Since(in.Entered) > sweepPatience
	sweep := newSweep()
	volumes := volumesToKeep(in.State.Drain)
	var foreign []string
	err = stage.Poll(ctx, func(ctx context.Context) error {
		err := sweep.run(ctx, c.balancers.loadBalancers, c.balancers.targetGroups, c.network.interfaces, c.network.endpoints,
			c.network.groups, volumes.without(c.network.volumes))
		if err != nil && (!late || fault.CodeOf(err) != fault.InProgress) {
			return err
		}
		leaving, others, err := c.network.inVPC(ctx, in.State.Names.KubectlFunction)
		if err != nil {
			return err
		}
		foreign = others
		if len(leaving) > 0 && !late {
			return fault.New(fault.InProgress, "AWS has not taken away %s yet", strings.Join(leaving[:min(len(leaving), 5)], ", "))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		return nil, fault.New(fault.Conflict, "the environment's VPC %s holds what is not the environment's: %s", c.network.vpc, strings.Join(foreign, ", ")).
			WithNext("remove it, or move it elsewhere, then start the same delete again: it goes on from here")
	}
	section := sweep.section()
	section.Orphaned = append(section.Orphaned, volumes.orphaned...)
	return section, untag(ctx, ec2.NewFromConfig(t.Config), in.State.Survey.TaggedSubnets, section)
}

// untag takes from the subnets of an existing VPC what the environment has given them.
func untag(ctx context.Context, api vpc.TagAPI, written string, section *environment.Removal) error {
	tagged := vpc.ReadTagged(written)
	if len(tagged) == 0 {
		return nil
	}
	if err := vpc.Untag(ctx, api, tagged); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(tagged)) {
		section.Removed = append(section.Removed, "tag "+tagged[id]+" of "+id)
	}
	section.Change = environment.Deleted
	return nil
}

// keeper holds back volumes that may hold data which somebody wants.
type keeper struct {
	kept     []string
	all      bool
	orphaned []environment.Leftover
}

func volumesToKeep(d *environment.Drain) *keeper {
	k := &keeper{all: d == nil || !d.Reached}
	if d != nil {
		for _, l := range d.Kept {
			k.kept = append(k.kept, l.What)
		}
	}
	return k
}

// without leaves out what is kept.
func (k *keeper) without(find finder) finder {
	return func(ctx context.Context) ([]item, error) {
		items, err := find(ctx)
		k.orphaned = nil
		if k.all {
			for _, i := range items {
				k.orphaned = append(k.orphaned, environment.Leftover{What: i.what, Why: "the cluster could not be asked whether it is to be kept; delete it if not"})
			}
			return nil, err
		}
		return slices.DeleteFunc(items, func(i item) bool { return slices.Contains(k.kept, i.what) }), err
	}
}

// SweepData is the stage of that name.
type SweepData struct{ connector target.Connector }

// NewSweepData returns the stage.
func NewSweepData(c target.Connector) *SweepData { return &SweepData{connector: c} }

// Run removes log groups, last of all since they are made anew for as long as something writes, and
// schedules the deletion of the keys.
func (s *SweepData) Run(ctx context.Context, in stage.Input) (*environment.Removal, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	c := cloudOf(t.Config, in.State.Names, in.State.Survey)
	sweep := newSweep()
	if err := stage.Poll(ctx, func(ctx context.Context) error { return sweep.run(ctx, c.logs.groups) }); err != nil {
		return nil, err
	}
	section := sweep.section()
	keys, changed, err := retire(ctx, kms.NewFromConfig(t.Config), in.State.Survey.KeyARNs)
	if err != nil {
		return nil, err
	}
	if section.Kept = append(section.Kept, keys...); changed {
		section.Change = environment.Deleted
	}
	return section, nil
}
