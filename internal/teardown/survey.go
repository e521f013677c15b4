package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

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
// names, a cluster that is protected from deletion, capacity of it that is not the environment's, what
// others have put into its VPC or attached to its roles.
func (s *Survey) Run(ctx context.Context, in stage.Input) (*environment.Survey, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if err := t.CheckOwner(ctx); err != nil {
		return nil, err
	}
	var survey *environment.Survey
	var holds holdings
	err = stage.Poll(ctx, func(ctx context.Context) (err error) {
		survey = &environment.Survey{
			Progress: environment.Progress{Change: environment.Unchanged},
			Stacks:   []environment.SurveyedStack{}, Leftovers: []string{},
		}
		holds, err = readStacks(ctx, t.Stacks, in.State.Names, survey)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := checkRetain(ctx, t.Stacks, in.State); err != nil {
		return nil, err
	}
	c := cloudOf(t.Config, in.State.Names, survey)
	clusters := eks.NewFromConfig(t.Config)
	protection, err := c.protection(ctx, clusters)
	if err != nil {
		return nil, err
	}
	capacity, err := c.otherCapacity(ctx, clusters, holds)
	if err != nil {
		return nil, err
	}
	inside, err := c.othersInVPC(ctx, holds)
	if err != nil {
		return nil, err
	}
	roles, err := holdOnRoles(ctx, iam.NewFromConfig(t.Config), t.Stacks, holds)
	if err != nil {
		return nil, err
	}
	if err := refuse(slices.Concat(protection, capacity, inside, roles)); err != nil {
		return nil, err
	}
	if survey.OIDCProviderARN, err = c.issuer(ctx, clusters, in.State.Request); err != nil {
		return nil, err
	}
	balancers, err := c.balancers.protected(ctx)
	if err != nil {
		return nil, err
	}
	survey.Protected = append(survey.Protected, balancers...)
	survey.Objects = objects(ctx, t.Config, in.State.Names, survey)
	survey.Leftovers, err = found(ctx, c.all())
	return survey, err
}

const (
	// lookPatience is for how long the cluster may take to tell of its objects. One that does not answer
	// is Drain's to wait for.
	lookPatience = 15 * time.Second
	// maxObjects bounds the section: the state document has 256 KiB (aws-traps.md, row 3.3).
	maxObjects = 1000
)

// objects names what there is in the cluster of what [Drain] deletes, nothing where that cannot be seen:
// it is for the result only.
func objects(ctx context.Context, cfg aws.Config, n environment.Names, survey *environment.Survey) []string {
	if reach, err := reachable(ctx, eks.NewFromConfig(cfg), n, survey); err != nil || reach != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	found, err := clusterOf(cfg, n, survey).objects(ctx)
	if err != nil {
		return nil
	}
	return found[:min(len(found), maxObjects)]
}

// Remains lists what there is of an environment outside of its stacks: what controllers in its cluster
// have made, and log groups.
func Remains(ctx context.Context, cfg aws.Config, n environment.Names) ([]string, error) {
	return found(ctx, cloudOf(cfg, n, nil).all())
}

// holdings are what the environment's stacks hold, by the stack's name.
type holdings map[string][]stack.Resource

// ids are the resources of a type, wherever they are.
func (h holdings) ids(kind string) []string {
	var ids []string
	for _, resources := range h {
		for _, r := range resources {
			if r.Type == kind {
				ids = append(ids, r.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
	Resources(ctx context.Context, name string) ([]stack.Resource, error)
}

// readStacks notes the stacks and what later states have to know of them. Their outputs are gone with
// them, and a stack that was never finished has none: then its resources tell.
//
// A stack at work is waited for, whoever has begun it: what it holds is known at its end, and a
// deletion in between could leave what comes into being at that moment (aws-traps.md, row 6.7).
func readStacks(ctx context.Context, stacks describer, n environment.Names, survey *environment.Survey) (holdings, error) {
	holds := holdings{}
	var moving []string
	for _, name := range n.Stacks() {
		live, ok, err := stacks.Describe(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if holds[name], err = stacks.Resources(ctx, name); err != nil {
			return nil, err
		}
		// The provider's stack may be waiting for this very execution.
		if live.Moving() && name != n.ProviderStack && !live.Leaving() {
			moving = append(moving, fmt.Sprintf("%s %s", name, live.Status))
		}
		if live.Protected {
			survey.Protected = append(survey.Protected, "stack "+name)
		}
		survey.Stacks = append(survey.Stacks, environment.SurveyedStack{Name: name, ID: live.StackID, Status: string(live.Status)})
		note(live, holds[name], survey)
	}
	if len(moving) > 0 {
		return nil, fault.New(fault.InProgress, "something is still at work on %s; the deletion begins when it has ended", strings.Join(moving, ", "))
	}
	return holds, nil
}

// note writes down what a stack tells of the environment, first come first served.
func note(live stack.Description, resources []stack.Resource, survey *environment.Survey) {
	first := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	key := func(value string) {
		if value != "" && !slices.Contains(survey.KeyARNs, value) {
			survey.KeyARNs = append(survey.KeyARNs, value)
		}
	}
	key(live.Outputs["KeyArn"])
	first(&survey.AuditKeyARN, live.Outputs["KeyArn"])
	for _, arn := range []string{live.Outputs["SecretsKeyArn"], live.Parameters["SecretsKeyArn"]} {
		key(arn)
		first(&survey.SecretsKeyARN, arn)
	}
	first(&survey.TaggedSubnets, live.Parameters["TaggedSubnets"])
	first(&survey.ClusterAdminRoleARN, live.Outputs["ClusterAdminRoleArn"])
	first(&survey.ClusterAdminRoleARN, live.Parameters["ClusterAdminRoleArn"])
	for _, r := range resources {
		switch r.Type {
		case "AWS::EC2::VPC": // an existing one is no resource of ours
			first(&survey.VPCID, r.ID)
		case "AWS::KMS::Key":
			key(keyARN(live.StackID, r.ID))
			if r.LogicalID == "SecretsKey" {
				first(&survey.SecretsKeyARN, keyARN(live.StackID, r.ID))
			}
		}
	}
}

// keyARN is the ARN of a key in the account and region of a stack.
func keyARN(stackID, key string) string {
	of, err := arn.Parse(stackID)
	if err != nil {
		return key
	}
	of.Service, of.Resource = "kms", "key/"+key
	return of.String()
}
