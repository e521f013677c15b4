package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// servicePolicies declares what the service role may do and returns the policies' ARNs. They are
// managed policies, because all inline policies of a role together have 10,240 characters, and each of
// these has 6,144 of its own.
func servicePolicies(t *template) *[]*string {
	policies := map[string][]statement{
		"Network":    slices.Concat(networkActions(), egressActions()),
		"Roles":      roleActions(),
		"Keys":       slices.Concat(keyActions(), tableActions()),
		"Kubernetes": slices.Concat(clusterActions(), passedRoleActions(), capacityActions()),
		"Function":   slices.Concat(functionActions(), providerActions(), deleteHookActions()),
	}
	arns := make([]*string, 0, len(policies))
	for _, name := range sorted(policies) {
		policy := awsiam.NewCfnManagedPolicy(t.stack, jsii.String(name+"Policy"), &awsiam.CfnManagedPolicyProps{
			// Fixed, so that the environment role can be limited to these. And no description, which cannot
			// be changed without another name.
			ManagedPolicyName: sub("EKS-ENV-CloudFormation-${AWS::Region}-" + name),
			PolicyDocument:    document(policies[name]...),
		})
		arns = append(arns, policy.Ref())
	}
	return &arns
}

// environmentTag is what every stack of an environment, and so everything in it, is tagged with; the
// bootstrap stack, which belongs to none, does not know its value.
const environmentTag = "eks-environment"

// madeTagged holds for what is made with the environments' tag, tagged for what has it already. They
// keep a mistake in a template off what is not an environment's; a boundary against whoever writes
// templates they are not, because a tag can be put on.
func madeTagged() map[string]map[string]any {
	return map[string]map[string]any{"Null": {"aws:RequestTag/" + environmentTag: "false"}}
}

func tagged() map[string]map[string]any {
	return map[string]map[string]any{"Null": {"aws:ResourceTag/" + environmentTag: "false"}}
}

// environmentRoles are the names of the roles that an environment consists of, whatever its name.
func environmentRoles() []string {
	var arns []string
	for _, suffix := range []string{
		"operations", "provisioning", "cluster-control-plane", "cluster-admin", "kubectl-lambda", "node", "pod-execution",
		"flow-log", "lb-controller", "cluster-fluent-bit-sa",
	} {
		arns = append(arns, "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*-"+suffix+"-role")
	}
	return arns
}

// roleActions is for the roles of the identity, egress and add-on stacks.
func roleActions() []statement {
	return []statement{{
		// The names are those of any environment, and of whatever else in the account ends like them: the
		// tag tells them apart.
		ID:        "CreateRoles",
		Actions:   []string{"iam:CreateRole", "iam:TagRole"},
		Resources: environmentRoles(),
		Condition: madeTagged(),
	}, {
		ID: "Roles",
		Actions: []string{
			"iam:UpdateRole", "iam:UpdateRoleDescription", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy",
			"iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy",
			"iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
			"iam:TagRole", "iam:UntagRole",
		},
		Resources: environmentRoles(),
		Condition: tagged(),
	}, {
		ID: "ReadRoles",
		Actions: []string{
			"iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:ListRoleTags",
		},
		Resources: environmentRoles(),
	}}
}

// passedRoleActions is for the roles that services are handed, and for those that services have of their own.
func passedRoleActions() []statement {
	return []statement{{
		// By name and receiver: IAM's own documentation advises against a tag of the role as a condition here.
		ID:        "PassRoles",
		Actions:   []string{"iam:PassRole"},
		Resources: environmentRoles(),
		Condition: map[string]map[string]any{"StringEquals": {"iam:PassedToService": []string{
			"eks.amazonaws.com", "eks-fargate-pods.amazonaws.com", "ec2.amazonaws.com",
			"lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com",
		}}},
	}, {
		ID:        "ServiceLinkedRoles",
		Actions:   []string{"iam:CreateServiceLinkedRole"},
		Resources: []string{"arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/*"},
		Condition: map[string]map[string]any{"StringEquals": {"iam:AWSServiceName": []string{
			"eks.amazonaws.com", "eks-nodegroup.amazonaws.com", "eks-fargate.amazonaws.com",
			"elasticloadbalancing.amazonaws.com", "spot.amazonaws.com",
		}}},
	}, {
		ID:        "ReadServiceLinkedRoles",
		Actions:   []string{"iam:GetRole"},
		Resources: []string{"arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/*"},
	}}
}
