package stack

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// ensurePolicy sets the stack policy where it differs. A new stack was created with it.
func (c *convergence) ensurePolicy(ctx context.Context, live Description) error {
	if c.change == environment.Created {
		return nil
	}
	kept, err := c.policyKept(ctx, live)
	if err != nil || kept {
		return err
	}
	_, err = c.api.SetStackPolicy(ctx, &cloudformation.SetStackPolicyInput{StackName: &live.StackID, StackPolicyBody: &c.spec.Policy})
	if err != nil {
		return classify(err, "cloudformation:SetStackPolicy", c.spec.Name)
	}
	c.change = environment.Updated
	return nil
}

// policyKept reports whether the stack has the spec's policy.
func (c *convergence) policyKept(ctx context.Context, live Description) (bool, error) {
	if c.spec.Policy == "" {
		return true, nil
	}
	out, err := c.api.GetStackPolicy(ctx, &cloudformation.GetStackPolicyInput{StackName: &live.StackID})
	if err != nil {
		return false, classify(err, "cloudformation:GetStackPolicy", c.spec.Name)
	}
	return out.StackPolicyBody != nil && sameJSON(*out.StackPolicyBody, c.spec.Policy), nil
}
