package preflight

import (
	"context"
	"fmt"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// adminTrust says whom a supplied administrator of the cluster has to trust. The trust policy itself
// is not read: the environment role sees no roles but CloudFormation's. It has to name the account with
// a condition, because IAM takes no principal that does not exist, and the function's role is still to
// be made.
func adminTrust(_ context.Context, s subject) ([]finding.Finding, error) {
	// Where there is a cluster, the role has proved itself or a later stage says what it lacks.
	if s.request.ClusterAdminRole == "" || s.live != "" {
		return nil, nil
	}
	role := fmt.Sprintf("arn:aws:iam::%s:role/%s-kubectl-lambda-role", s.request.AccountID, s.names.Environment)
	statement := fmt.Sprintf(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::%s:root"},"Condition":{"ArnEquals":{"aws:PrincipalArn":"%s"}}}`, s.request.AccountID, role)
	return []finding.Finding{
		finding.Warningf("AdminRoleTrust", "/clusterAdminRole", "the kubectl function works in the cluster as this role, whose trust policy has to allow %s", role).
			WithNext("if it does not, add the statement %s", statement),
	}, nil
}
