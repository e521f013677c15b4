package teardown

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Survey is the stage of that name.
type Survey struct{ connector target.Connector }

// NewSurvey returns the stage.
func NewSurvey(c target.Connector) *Survey { return &Survey{connector: c} }

// Run lists what there is of the environment and changes nothing. What would stop the removal half-way
// is refused here, while everything still works: an environment of another request with the same
// names, capacity of the cluster that is not the environment's, load balancers of others in its VPC.
func (s *Survey) Run(ctx context.Context, in stage.Input) (*environment.Survey, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if err := t.CheckOwner(ctx); err != nil {
		return nil, err
	}
	survey := &environment.Survey{
		Progress: environment.Progress{Change: environment.Unchanged},
		Stacks:   []environment.SurveyedStack{}, Leftovers: []string{},
	}
	if err := readStacks(ctx, t.Stacks, in.State.Names, survey); err != nil {
		return nil, err
	}
	c := cloudOf(t.Config, in.State.Names, survey)
	if err := c.checkCapacity(ctx, eks.NewFromConfig(t.Config), survey); err != nil {
		return nil, err
	}
	if err := c.checkForeign(ctx); err != nil {
		return nil, err
	}
	survey.Leftovers, err = found(ctx, c.all())
	return survey, err
}

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// readStacks notes the stacks and what later states have to know of them. Their outputs are gone with
// them, and a stack that was never finished has none: then others have been given the value.
func readStacks(ctx context.Context, stacks describer, n environment.Names, survey *environment.Survey) error {
	for _, name := range n.Stacks() {
		live, ok, err := stacks.Describe(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		survey.Stacks = append(survey.Stacks, environment.SurveyedStack{Name: name, ID: live.StackID, Status: string(live.Status)})
		note := func(value string, into *string) {
			if *into == "" {
				*into = value
			}
		}
		key := func(value string) {
			if value != "" && !slices.Contains(survey.KeyARNs, value) {
				survey.KeyARNs = append(survey.KeyARNs, value)
			}
		}
		switch name {
		case n.NetworkStack:
			if _, existing := live.Parameters["VpcId"]; !existing {
				note(live.Outputs["VpcId"], &survey.VPCID)
			}
			note(live.Parameters["TaggedSubnets"], &survey.TaggedSubnets)
		case n.IdentityStack:
			key(live.Outputs["KeyArn"])
			key(live.Outputs["SecretsKeyArn"])
			note(live.Outputs["ClusterAdminRoleArn"], &survey.ClusterAdminRoleARN)
		case n.ClusterStack:
			key(live.Parameters["SecretsKeyArn"])
			note(live.Parameters["ClusterAdminRoleArn"], &survey.ClusterAdminRoleARN)
		}
	}
	return nil
}

// cloud is the target account as far as it holds the environment's resources outside of stacks.
type cloud struct {
	balancers balancers
	network   network
	logs      logs
	names     environment.Names
}

func cloudOf(cfg aws.Config, n environment.Names, survey *environment.Survey) cloud {
	vpc := ""
	if survey != nil {
		vpc = survey.VPCID
	}
	return cloud{
		balancers: balancers{api: elb.NewFromConfig(cfg), cluster: n.Cluster},
		network:   network{api: ec2.NewFromConfig(cfg), cluster: n.Cluster, vpc: vpc},
		logs:      logs{api: cloudwatchlogs.NewFromConfig(cfg), names: n},
		names:     n,
	}
}

// all finds everything outside of the stacks, in the order in which it can go.
func (c cloud) all() []finder {
	return []finder{
		c.balancers.loadBalancers, c.balancers.targetGroups, c.network.interfaces, c.network.endpoints,
		c.network.groups, c.network.volumes, c.logs.groups,
	}
}

const nextForeign = "remove it, or move it elsewhere, then start the same delete again; nothing was removed so far"

// checkForeign refuses a VPC that holds load balancers of others: it could not be deleted, and whose
// they are is not ours to decide.
func (c cloud) checkForeign(ctx context.Context) error {
	if c.network.vpc == "" {
		return nil
	}
	foreign, err := c.balancers.foreign(ctx, c.network.vpc)
	if err != nil || len(foreign) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "the environment's VPC %s holds what is not the environment's: %s", c.network.vpc, strings.Join(foreign, ", ")).
		WithNext(nextForeign)
}

// capacityAPI tells of a cluster's capacity.
type capacityAPI interface {
	ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error)
	ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error)
}

// checkCapacity refuses node groups and profiles that others have added to the cluster: EKS deletes no
// cluster that has any (aws-traps.md, row 6.6). Without a capacity stack all of them are others'.
func (c cloud) checkCapacity(ctx context.Context, api capacityAPI, survey *environment.Survey) error {
	ours := 0
	if survey.StackID(c.names.CapacityStack) != "" {
		ours = 1
	}
	groups, err := api.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &c.names.Cluster})
	if awsfault.ClusterMissing(err) {
		return nil
	}
	if err != nil {
		return account.Classify(err, "list the node groups of %s", c.names.Cluster)
	}
	profiles, err := api.ListFargateProfiles(ctx, &eks.ListFargateProfilesInput{ClusterName: &c.names.Cluster})
	if err != nil && !awsfault.ClusterMissing(err) {
		return account.Classify(err, "list the Fargate profiles of %s", c.names.Cluster)
	}
	var names []string
	for _, name := range groups.Nodegroups {
		names = append(names, "node group "+name)
	}
	if profiles != nil {
		for _, name := range profiles.FargateProfileNames {
			names = append(names, "Fargate profile "+name)
		}
	}
	if len(names) <= ours {
		return nil
	}
	return fault.New(fault.Conflict, "cluster %s has capacity that is not the environment's among %s", c.names.Cluster, strings.Join(names, ", ")).
		WithNext("remove what was added to the cluster, then start the same delete again; nothing was removed so far")
}
