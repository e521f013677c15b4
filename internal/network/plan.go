package network

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// looking is EC2 for a plan: the tags of subnets stay as they are.
type looking struct{ surroundings }

func (looking) CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error) {
	return &ec2.CreateTagsOutput{}, nil
}

func (looking) DeleteTags(context.Context, *ec2.DeleteTagsInput, ...func(*ec2.Options)) (*ec2.DeleteTagsOutput, error) {
	return &ec2.DeleteTagsOutput{}, nil
}

// retagged are the subnets whose load balancer tags would come or go.
func retagged(coming, going map[string]string) []environment.PlannedChange {
	details := map[string][]string{}
	for id, key := range going {
		details[id] = append(details[id], "tag "+key+" goes")
	}
	for id, key := range coming {
		details[id] = append(details[id], "tag "+key+" is new")
	}
	var all []environment.PlannedChange
	for _, id := range slices.Sorted(maps.Keys(details)) {
		all = append(all, environment.PlannedChange{
			Action: environment.Modified, Type: "AWS::EC2::Subnet", Name: "of the existing VPC", ID: id, Details: details[id],
		})
	}
	return all
}
