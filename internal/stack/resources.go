package stack

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Resource is something that a stack has made and not deleted.
type Resource struct {
	// LogicalID names it in the template, and ID in its service: what Ref gives.
	LogicalID, ID string
	// Type is CloudFormation's, such as AWS::EC2::VPC.
	Type string
}

// Resources lists what the stack called name, which may be an id too, has made and not deleted. What a
// rollback or a deletion left because the template says so is among it. A stack that is not there has none.
func (e *Engine) Resources(ctx context.Context, name string) ([]Resource, error) {
	var found []Resource
	for page := cloudformation.NewListStackResourcesPaginator(e.api, &cloudformation.ListStackResourcesInput{StackName: &name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if isAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, classify(err, "cloudformation:ListStackResources", name)
		}
		for _, r := range out.StackResourceSummaries {
			if r.ResourceStatus == types.ResourceStatusDeleteComplete || aws.ToString(r.PhysicalResourceId) == "" {
				continue
			}
			found = append(found, Resource{
				LogicalID: aws.ToString(r.LogicalResourceId), ID: aws.ToString(r.PhysicalResourceId), Type: aws.ToString(r.ResourceType),
			})
		}
	}
	return found, nil
}

// Template is the template of the stack called name, as it was given; empty if there is no such stack.
func (e *Engine) Template(ctx context.Context, name string) (string, error) {
	out, err := e.api.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &name, TemplateStage: types.TemplateStageOriginal})
	if isAbsent(err) {
		return "", nil
	}
	if err != nil {
		return "", classify(err, "cloudformation:GetTemplate", name)
	}
	return aws.ToString(out.TemplateBody), nil
}
