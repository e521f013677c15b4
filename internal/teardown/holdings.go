package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

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
			switch r.LogicalID {
			case "SecretsKey":
				first(&survey.SecretsKeyARN, keyARN(live.StackID, r.ID))
			case "AuditKey":
				first(&survey.AuditKeyARN, keyARN(live.StackID, r.ID))
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
