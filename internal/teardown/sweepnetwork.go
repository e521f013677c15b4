package teardown

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

const (
	// sweepPatience is for how long what is left in the network is given to go, from the state's entry on:
	// network interfaces of Lambda functions take 45 minutes, sometimes more (aws-traps.md, row 6.2).
	sweepPatience = 90 * time.Minute
	// unknownPatience is for how long an interface that AWS has made is expected to be of something that
	// is gone already.
	unknownPatience = 10 * time.Minute
)

// SweepNetwork is the stage of that name.
type SweepNetwork struct{ connector target.Connector }

// NewSweepNetwork returns the stage.
func NewSweepNetwork(c target.Connector) *SweepNetwork { return &SweepNetwork{connector: c} }

// Run removes what the cluster and its nodes have left in the network, once they are gone, and waits
// until the VPC is empty but for the environment's own stack; in a VPC of others, until nothing uses the
// security groups of that stack. CloudFormation waits for the interfaces of the kubectl function itself,
// but not for those of one that somebody has deleted before.
func (s *SweepNetwork) Run(ctx context.Context, in stage.Input) (*environment.Removal, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	outside := inventoryOf(t.Config, in.State.Names, in.State.Survey)
	late := time.Since(in.Entered) > sweepPatience
	sweep := newSweep()
	volumes := volumesToKeep(in.State.Drain)
	finders := append(outside.exposed(), outside.network.interfaces, outside.network.endpoints, outside.network.groups, volumes.allowed(outside.network.volumes))
	ours, err := t.Stacks.Resources(ctx, in.State.Names.NetworkStack)
	if err != nil {
		return nil, err
	}
	groups := holdings{in.State.Names.NetworkStack: ours}.ids("AWS::EC2::SecurityGroup")
	var left remainingInterfaces
	err = stage.Poll(ctx, func(ctx context.Context) error {
		err := sweep.run(ctx, finders...)
		if err != nil && (!late || fault.CodeOf(err) != fault.InProgress) {
			return err
		}
		if left, err = outside.network.remaining(ctx, groups); err != nil {
			return err
		}
		return left.wait(late, time.Since(in.Entered) > unknownPatience)
	})
	if err != nil {
		return nil, err
	}
	if err := left.refuse(outside.network.vpc, groups); err != nil {
		return nil, err
	}
	section := sweep.section()
	section.Orphaned = append(section.Orphaned, volumes.orphaned...)
	unclaimed, err := outside.network.unclaimed(ctx, in.State.Drain)
	if err != nil {
		return nil, err
	}
	targets, err := outside.balancers.strayTargets(ctx, outside.network.vpc)
	if err != nil {
		return nil, err
	}
	section.Orphaned = append(append(section.Orphaned, unclaimed...), targets...)
	err = untag(ctx, ec2.NewFromConfig(t.Config), t.Stacks, in.State, section)
	section.Bound()
	return section, err
}

// wait answers [fault.InProgress] as long as AWS can be expected to take something away.
func (r remainingInterfaces) wait(late, lateForUnknown bool) error {
	waiting := slices.Clone(r.leaving)
	if !lateForUnknown {
		waiting = append(waiting, r.unknown...)
	}
	if late || len(waiting) == 0 {
		return nil
	}
	return fault.New(fault.InProgress, "AWS has not taken away %s yet", strings.Join(waiting[:min(len(waiting), 5)], ", "))
}

// refuse is the error about what does not go by itself.
func (r remainingInterfaces) refuse(vpc string, groups []string) error {
	foreign := strings.Join(slices.Concat(r.foreign, r.unknown), ", ")
	switch {
	case foreign == "":
		return nil
	case vpc == "":
		return fault.New(fault.Conflict, "what is not the environment's uses its security groups %s, and AWS deletes no group that is in use: %s", strings.Join(groups, " and "), foreign).
			WithNext("give it another security group, then start the same delete again: it goes on from here")
	}
	return fault.New(fault.Conflict, "the environment's VPC %s holds what is not the environment's, and AWS deletes no VPC that is in use: %s", vpc, foreign).
		WithNext("remove it, or move it elsewhere, then start the same delete again: it goes on from here")
}

// subnetAPI is what takes tags from subnets that nobody else needs tagged.
type subnetAPI interface {
	vpc.TagAPI
	vpc.GroupAPI
}

// untag takes from the subnets of an existing VPC what the environment has given them, unless another
// environment is there too.
func untag(ctx context.Context, api subnetAPI, stacks describer, s environment.State, section *environment.Removal) error {
	tagged := vpc.ReadTagged(s.Survey.TaggedSubnets)
	if len(tagged) == 0 {
		return nil
	}
	// A request to delete need not name the VPC; the stack that tells of the tags does.
	live, _, err := stacks.Describe(ctx, s.Names.NetworkStack)
	if err != nil {
		return err
	}
	id := live.Parameters["VpcId"]
	others, err := vpc.Neighbours(ctx, api, id, s.Names.Environment)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		why := "in VPC " + id + " there is also " + strings.Join(others, ", ") + ", whose load balancers may be placed by it"
		for _, id := range slices.Sorted(maps.Keys(tagged)) {
			section.Kept = append(section.Kept, environment.Leftover{What: "tag " + tagged[id] + " of " + id, Why: why})
		}
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
