package preflight

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// harmonixRoles looks at the roles of Harmonix that will use the environment, where they can be seen: in
// the provider's own account and in the target account. The environment's roles name them in a condition,
// which holds for nobody if the role does not exist, so a mistake shows only when Harmonix is used.
func harmonixRoles(ctx context.Context, s subject) ([]finding.Finding, error) {
	seen := map[string]roleAPI{
		s.request.AccountID: iam.NewFromConfig(s.config),
		s.platformAccount:   iam.NewFromConfig(s.platform),
	}
	return lookAtHarmonix(ctx, seen, s)
}

func lookAtHarmonix(ctx context.Context, accounts map[string]roleAPI, s subject) ([]finding.Finding, error) {
	r := s.request
	var all []finding.Finding
	if r.PlatformRole == r.PipelineRole && r.PlatformRole != "" {
		all = append(all, finding.Warningf("SameRole", "/pipelineRole", "platformRole and pipelineRole are both %s, so the Harmonix backend has the rights of the pipelines too", r.PipelineRole).
			WithNext("send the role of the CI runner as pipelineRole"))
	}
	for _, sent := range []struct{ field, arn string }{{"/platformRole", r.PlatformRole}, {"/pipelineRole", r.PipelineRole}} {
		account := accountOf(sent.arn)
		api, ok := accounts[account]
		if !ok {
			continue
		}
		role, err := roleOf(ctx, api, sent.arn)
		if err != nil {
			return all, err
		}
		if role == nil || aws.ToString(role.Arn) != sent.arn {
			all = append(all, finding.Warningf("RoleMissing", sent.field, "account %s has no role %s, so nobody can use the environment as that role", account, sent.arn).
				WithNext("correct the ARN, or make the role"))
		}
	}
	return all, nil
}
