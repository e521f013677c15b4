package teardown

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
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
	c := cloudOf(t.Config, in.State.Names, in.State.Survey)
	late := time.Since(in.Entered) > sweepPatience
	sweep := newSweep()
	volumes := volumesToKeep(in.State.Drain)
	finders := append(c.exposed(), c.network.interfaces, c.network.endpoints, c.network.groups, volumes.allowed(c.network.volumes))
	ours, err := t.Stacks.Resources(ctx, in.State.Names.NetworkStack)
	if err != nil {
		return nil, err
	}
	groups := holdings{in.State.Names.NetworkStack: ours}.ids("AWS::EC2::SecurityGroup")
	var left remains
	err = stage.Poll(ctx, func(ctx context.Context) error {
		err := sweep.run(ctx, finders...)
		if err != nil && (!late || fault.CodeOf(err) != fault.InProgress) {
			return err
		}
		if left, err = c.network.remains(ctx, groups); err != nil {
			return err
		}
		return left.wait(late, time.Since(in.Entered) > unknownPatience)
	})
	if err != nil {
		return nil, err
	}
	if err := left.refuse(c.network.vpc, groups); err != nil {
		return nil, err
	}
	section := sweep.section()
	section.Orphaned = append(section.Orphaned, volumes.orphaned...)
	unclaimed, err := c.network.unclaimed(ctx, in.State.Drain)
	if err != nil {
		return nil, err
	}
	targets, err := c.balancers.strayTargets(ctx, c.network.vpc)
	if err != nil {
		return nil, err
	}
	section.Orphaned = append(append(section.Orphaned, unclaimed...), targets...)
	return section, untag(ctx, ec2.NewFromConfig(t.Config), in.State.Survey.TaggedSubnets, section)
}

// wait answers [fault.InProgress] as long as AWS can be expected to take something away.
func (r remains) wait(late, lateForUnknown bool) error {
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
func (r remains) refuse(vpc string, groups []string) error {
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

// SweepData is the stage of that name.
type SweepData struct {
	connector target.Connector
	recheck   time.Duration
}

// NewSweepData returns the stage. Log groups are looked for until recheck after the end of the last
// stack whose parts write logs: AWS makes such a group anew for what arrives late (aws-traps.md, row 6.5).
func NewSweepData(c target.Connector, recheck time.Duration) *SweepData {
	return &SweepData{connector: c, recheck: recheck}
}

// Run removes log groups, last of all since they are made anew for as long as something writes, and
// schedules the deletion of the keys. What the request keeps is looked for, so that it is said to be kept
// only where it is.
func (s *SweepData) Run(ctx context.Context, in stage.Input) (*environment.Removal, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if err := noneSince(ctx, t.Stacks, in.State.Names, in.State.Survey); err != nil {
		return nil, err
	}
	r, sweep := in.State.Request, newSweep()
	groups := cloudOf(t.Config, in.State.Names, in.State.Survey).logs.groups
	if !r.Retains(environment.RetainLogs) {
		if err := s.logs(ctx, t.Stacks, in.State, sweep, groups); err != nil {
			return nil, err
		}
	}
	section := sweep.section()
	table, err := keptTable(ctx, dynamodb.NewFromConfig(t.Config), in.State)
	if err != nil {
		return nil, err
	}
	logs, err := keptLogs(ctx, groups, r)
	if err != nil {
		return nil, err
	}
	kept, rest := keptKeys(r, in.State.Survey)
	keys, changed, err := retire(ctx, kms.NewFromConfig(t.Config), rest)
	if err != nil {
		return nil, err
	}
	earlier, err := earlierKeys(ctx, tagging.NewFromConfig(t.Config), kms.NewFromConfig(t.Config), in.State.Names, in.State.Survey.KeyARNs)
	if err != nil {
		return nil, err
	}
	section.Kept = slices.Concat(section.Kept, table, logs, kept, keys, earlier)
	if changed {
		section.Change = environment.Deleted
	}
	orphan, err := strayProvider(ctx, iam.NewFromConfig(t.Config), in.State.Survey.OIDCProviderARN)
	section.Orphaned = append(section.Orphaned, orphan...)
	return section, err
}

// logs removes log groups, and looks for them once more.
func (s *SweepData) logs(ctx context.Context, stacks describer, state environment.State, sweep *sweep, groups finder) error {
	ended, err := lastEnd(ctx, stacks, state.Names, state.Survey)
	if err != nil {
		return err
	}
	return stage.Poll(ctx, func(ctx context.Context) error {
		quiet := time.Since(ended) >= s.recheck
		if err := sweep.run(ctx, groups); err != nil || quiet {
			return err
		}
		return fault.New(fault.InProgress, "log groups are looked for again at %s, since AWS makes them anew for what arrives late",
			ended.Add(s.recheck).UTC().Format(time.TimeOnly))
	})
}

// noneSince refuses to call a removal complete while there is a stack that was not there at its start:
// the functions of an execution that was stopped go on for up to a minute.
func noneSince(ctx context.Context, stacks describer, n environment.Names, survey *environment.Survey) error {
	for _, name := range n.Stacks() {
		if survey.StackID(name) != "" {
			continue
		}
		_, found, err := stacks.Describe(ctx, name)
		if err != nil {
			return err
		}
		if found {
			return fault.New(fault.Conflict, "stack %s was made during the deletion, by an execution that was stopped or by somebody else", name).
				WithNext("start the same delete again: it goes on from here")
		}
	}
	return nil
}

// lastEnd is when the last of the stacks was gone whose parts write logs: the cluster, the kubectl
// function, the VPC with its flow log. It is zero if none was there.
func lastEnd(ctx context.Context, stacks describer, n environment.Names, survey *environment.Survey) (time.Time, error) {
	var last time.Time
	for _, name := range []string{n.ClusterStack, n.KubectlStack, n.EgressStack} {
		id := survey.StackID(name)
		if id == "" {
			continue
		}
		gone, _, err := stacks.Describe(ctx, id)
		if err != nil {
			return last, err
		}
		if gone.Deleted.After(last) {
			last = gone.Deleted
		}
	}
	return last, nil
}

// providerAPI is what the package needs of OIDC providers.
type providerAPI interface {
	GetOpenIDConnectProvider(context.Context, *iam.GetOpenIDConnectProviderInput, ...func(*iam.Options)) (*iam.GetOpenIDConnectProviderOutput, error)
}

// strayProvider reports the OIDC provider of the cluster's issuer if it has outlived the cluster's
// stack: somebody else has made it, and roles may trust it (aws-traps.md, row 6.11).
func strayProvider(ctx context.Context, api providerAPI, arn string) ([]environment.Leftover, error) {
	if arn == "" {
		return nil, nil
	}
	_, err := api.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if awsfault.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "look at OIDC provider %s", arn)
	}
	return []environment.Leftover{{
		What: "OIDC provider " + arn,
		Why: fmt.Sprintf("it is the deleted cluster's, and no stack of the environment has made it: "+
			"remove the roles that trust it, then aws iam delete-open-id-connect-provider --open-id-connect-provider-arn %s", arn),
	}}, nil
}
