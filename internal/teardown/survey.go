package teardown

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Survey is the stage of that name.
type Survey struct{ connector target.Connector }

// NewSurvey returns the stage.
func NewSurvey(c target.Connector) *Survey { return &Survey{connector: c} }

// Run lists what there is of the environment and changes nothing. What would stop the removal half-way
// is refused here, while everything still works: an environment of another request with the same
// names, a cluster that no stack of the environment holds or that is protected from deletion, capacity
// of it that is not the environment's, what others have put into its VPC or attached to its roles.
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
		if holds, err = readStacks(ctx, t.Stacks, in.State.Names, survey); err != nil {
			return err
		}
		return inventoryOf(t.Config, in.State.Names, survey).settled(ctx, eks.NewFromConfig(t.Config), holds)
	})
	if err != nil {
		return nil, err
	}
	if err := checkRetain(ctx, t.Stacks, in.State); err != nil {
		return nil, err
	}
	outside := inventoryOf(t.Config, in.State.Names, survey)
	obstacles, err := outside.obstacles(ctx, t, holds)
	if err != nil {
		return nil, err
	}
	if err := refuse(obstacles); err != nil {
		return nil, err
	}
	if survey.OIDCProviderARN, err = outside.issuer(ctx, eks.NewFromConfig(t.Config), in.State.Request); err != nil {
		return nil, err
	}
	balancers, err := outside.balancers.protected(ctx)
	if err != nil {
		return nil, err
	}
	survey.Protected = append(survey.Protected, balancers...)
	survey.Objects = objects(ctx, t.Config, in.State.Names, survey)
	leftovers, err := found(ctx, outside.all())
	survey.Leftovers = environment.Listed(leftovers)
	return survey, err
}

// lookPatience is for how long the cluster may take to tell of its objects. One that does not answer is
// Drain's to wait for.
const lookPatience = 15 * time.Second

// objects names what there is in the cluster of what [Drain] deletes, nothing where that cannot be seen:
// it is for the result only.
func objects(ctx context.Context, cfg aws.Config, n environment.Names, survey *environment.Survey) []string {
	if reach, err := reachable(ctx, eks.NewFromConfig(cfg), n, survey); err != nil || reach != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	found, err := drainerOf(cfg, n, survey).objects(ctx)
	if err != nil {
		return nil
	}
	return environment.Listed(found)
}
