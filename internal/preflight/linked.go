package preflight

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// linkedRole is a role that an AWS service works with and that is made once in an account. The first
// cluster, node group, profile or load balancer of the account brings it, if whoever makes it may.
type linkedRole struct{ name, service string }

// linkedRoles are those that r's environment needs
// (https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles.html).
func linkedRoles(r environment.Request) []linkedRole {
	all := []linkedRole{
		{"AWSServiceRoleForAmazonEKS", "eks.amazonaws.com"},
		{"AWSServiceRoleForElasticLoadBalancing", "elasticloadbalancing.amazonaws.com"},
	}
	if r.CapacityType == environment.CapacitySpot {
		all = append(all, linkedRole{"AWSServiceRoleForEC2Spot", "spot.amazonaws.com"})
	}
	if r.NodeType == environment.NodeTypeManaged {
		return append(all, linkedRole{"AWSServiceRoleForAmazonEKSNodegroup", "eks-nodegroup.amazonaws.com"})
	}
	return append(all, linkedRole{"AWSServiceRoleForAmazonEKSForFargate", "eks-fargate.amazonaws.com"})
}

// missingLinkedRoles looks whether the roles are there or can be made: by CloudFormation's service
// role, which may make these, unless the account's organization says otherwise.
func missingLinkedRoles(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookForLinkedRoles(ctx, iam.NewFromConfig(s.config), s)
}

func lookForLinkedRoles(ctx context.Context, api interface {
	roleAPI
	simulator
}, s subject,
) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, role := range linkedRoles(s.request) {
		live, err := roleOf(ctx, api, role.name)
		if err != nil {
			return all, err
		}
		// Before the bootstrap stack there is no service role to ask about.
		if live != nil || !s.exists(s.names.BootstrapStack) {
			continue
		}
		denied, err := simulate(ctx, api, s, serviceRole(s), permission{
			actions:  []string{"iam:CreateServiceLinkedRole"},
			resource: "arn:aws:iam::" + s.request.AccountID + ":role/aws-service-role/" + role.service + "/" + role.name,
			key:      "iam:AWSServiceName", value: role.service,
		})
		if err != nil {
			return all, err
		}
		report := finding.Errorf
		if len(denied.certain) == 0 {
			report = finding.Warningf
		}
		if len(denied.certain)+len(denied.uncertain) > 0 {
			all = append(all, report("LinkedRoleMissing", "/awsAccountID", "account %s has no role %s, and %s may not make it", s.request.AccountID, role.name, serviceRole(s)).
				WithNext("make it: aws iam create-service-linked-role --aws-service-name %s", role.service))
		}
	}
	return all, nil
}

// serviceRole is the ARN of the role that CloudFormation works with.
func serviceRole(s subject) string {
	return "arn:aws:iam::" + s.request.AccountID + ":role/EKS-ENV-CloudFormation-" + s.request.Region
}
