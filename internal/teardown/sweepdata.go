package teardown

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

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
	groups := inventoryOf(t.Config, in.State.Names, in.State.Survey).logs.groups
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
	earlier, doomed, err := earlierKeys(ctx, tagging.NewFromConfig(t.Config), kms.NewFromConfig(t.Config), in.State.Names, in.State.Survey.KeyARNs)
	if err != nil {
		return nil, err
	}
	keys, changed, err := retire(ctx, kms.NewFromConfig(t.Config), append(rest, doomed...))
	if err != nil {
		return nil, err
	}
	section.Kept = slices.Concat(section.Kept, table, logs, kept, keys, earlier)
	if changed {
		section.Change = environment.Deleted
	}
	provider, err := strayProvider(ctx, iam.NewFromConfig(t.Config), in.State.Survey.OIDCProviderARN)
	if err != nil {
		return nil, err
	}
	vpcs, err := strayVPCs(ctx, ec2.NewFromConfig(t.Config), in.State.Names, in.State.Survey.VPCID)
	section.Orphaned = slices.Concat(section.Orphaned, provider, vpcs)
	section.Bound()
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
