package preflight

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// policyAPI is what the check of the boundary needs.
type policyAPI interface {
	GetPolicy(ctx context.Context, in *iam.GetPolicyInput, opts ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
}

// boundary looks whether the policy is there that is to bound the environment's roles. Without it the
// first role fails, beside a VPC that is being made.
func boundary(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookForBoundary(ctx, iam.NewFromConfig(s.config), s.request.PermissionsBoundary)
}

func lookForBoundary(ctx context.Context, api policyAPI, arn string) ([]finding.Finding, error) {
	if arn == "" {
		return nil, nil
	}
	_, err := api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if !awsfault.Gone(err) {
		return nil, err
	}
	return []finding.Finding{finding.Errorf("BoundaryMissing", "/permissionsBoundary", "there is no policy %s", arn).
		WithNext("create it in the target account, or correct the ARN, which has the policy's path in it: aws iam list-policies --scope Local --query 'Policies[].Arn'")}, nil
}
