package preflight

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/trust"
)

// roleAPI is what the checks need of IAM.
type roleAPI interface {
	GetRole(ctx context.Context, in *iam.GetRoleInput, opts ...func(*iam.Options)) (*iam.GetRoleOutput, error)
}

const adminField = "/clusterAdminRole"

// adminRole looks at a supplied administrator of the cluster: it has to exist, under the ARN as it was
// sent, and to trust the kubectl function's role, which works in the cluster as the administrator.
func adminRole(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookAtAdmin(ctx, iam.NewFromConfig(s.config), s)
}

func lookAtAdmin(ctx context.Context, api roleAPI, s subject) ([]finding.Finding, error) {
	arn := s.request.ClusterAdminRole
	if arn == "" {
		return nil, nil
	}
	role, err := roleOf(ctx, api, arn)
	switch {
	case err != nil:
		return unknownTrust(s), err
	case role == nil:
		return []finding.Finding{finding.Errorf("RoleMissing", adminField, "account %s has no role %s", s.request.AccountID, nameOf(arn)).
			WithNext("make the role with the trust policy %s, correct the ARN, or leave the field out for a role that the provider makes", advised(s))}, nil
	case aws.ToString(role.Arn) != arn:
		return []finding.Finding{finding.Errorf("RoleMissing", adminField, "account %s has no role %s: the role of that name is %s", s.request.AccountID, arn, aws.ToString(role.Arn)).
			WithNext("send %s", aws.ToString(role.Arn))}, nil
	}
	policy, err := url.QueryUnescape(aws.ToString(role.AssumeRolePolicyDocument))
	if err != nil {
		return unknownTrust(s), fmt.Errorf("read the trust policy of %s: %w", arn, err)
	}
	verdict, err := trust.Of(policy, trust.Role{ARN: functionRole(s), Account: s.request.AccountID})
	switch {
	case err != nil:
		return unknownTrust(s), fmt.Errorf("role %s: %w", arn, err)
	case verdict == trust.Refuses:
		return []finding.Finding{finding.Errorf("RoleTrust", adminField, "the trust policy of %s does not let %s assume it, and the kubectl function works in the cluster as this role", arn, functionRole(s)).
			WithNext("add the statement %s to it", advised(s))}, nil
	case verdict == trust.Unclear:
		return unknownTrust(s), nil
	}
	return nil, nil
}

// unknownTrust says whom the role has to trust where its policy does not tell. Where there is a
// cluster, the role has proved itself.
func unknownTrust(s subject) []finding.Finding {
	if s.live != "" {
		return nil
	}
	return []finding.Finding{finding.Warningf("RoleTrust", adminField, "the kubectl function works in the cluster as this role, and it could not be told whether the role's trust policy lets %s assume it", functionRole(s)).
		WithNext("if it does not, add the statement %s", advised(s))}
}

// functionRole is the ARN of the environment's kubectl function's role.
func functionRole(s subject) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s-kubectl-lambda-role", s.request.AccountID, s.names.Environment)
}

// advised is the statement that a supplied administrator needs. It names the account with a condition,
// because IAM takes no principal that does not exist, and the function's role is still to be made.
func advised(s subject) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::%s:root"},"Condition":{"ArnEquals":{"aws:PrincipalArn":"%s"}}}`,
		s.request.AccountID, functionRole(s))
}

// roleOf returns the role with the name in the ARN, nil where there is none.
func roleOf(ctx context.Context, api roleAPI, arn string) (*types.Role, error) {
	out, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(nameOf(arn))})
	if awsfault.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.Role, nil
}

// nameOf is the name of the role with the ARN, without its path.
func nameOf(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
