package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// addonRoles is what the service accounts of the environment's add-ons assume, by the cluster's OIDC
// provider. It comes after the cluster, whose issuer the trust policies name, and before the
// add-ons, because a role that is seconds old may be refused (aws-traps.md, row 1.48).
func addonRoles(t *template) {
	t.describe("EKS environment: roles of the add-ons")
	t.identify()
	t.bounded()
	nodeType := t.choice("NodeType", "What pods run on", "FARGATE", "MANAGED")
	t.text("Issuer", "The cluster's issuer of service account tokens, without https://")
	t.text("OidcProviderArn", "The IAM OIDC provider of that issuer")
	managed := t.when("ManagedNodes", awscdk.Fn_ConditionEquals(nodeType, jsii.String("MANAGED")))

	controller := t.role("LoadBalancerControllerRole", role{
		// Not "…-load-balancer-controller-role": with the longest prefix and name that has 67 characters.
		Name:        "${Prefix}-${Name}-lb-controller-role",
		Description: "What the AWS Load Balancer Controller may do",
		Inline: map[string][]statement{
			"read":            loadBalancerReads(),
			"security-groups": loadBalancerSecurityGroups(),
			"load-balancers":  loadBalancerChanges(),
		},
	})
	controller.SetAssumeRolePolicyDocument(serviceAccountTrust("kube-system", "aws-load-balancer-controller"))
	logs := t.role("FluentBitRole", role{
		Name:        "${Prefix}-${Name}-cluster-fluent-bit-sa-role", // as Harmonix names it
		Description: "What Fluent Bit may write",
		Inline:      map[string][]statement{"logs": fluentBitActions()},
		When:        managed,
	})
	logs.SetAssumeRolePolicyDocument(serviceAccountTrust("amazon-cloudwatch", "fluent-bit"))

	t.output("LoadBalancerControllerRoleArn", "What kube-system/aws-load-balancer-controller assumes", controller.AttrArn(), nil)
	t.output("FluentBitRoleArn", "What amazon-cloudwatch/fluent-bit assumes", logs.AttrArn(), managed)
}

// serviceAccountTrust is the trust policy of a role that one service account assumes. It is a text
// with parameters in it, and not an object, because the condition's keys begin with the issuer and
// CloudFormation resolves nothing in a key (aws-traps.md, row 1.46).
func serviceAccountTrust(namespace, name string) *string {
	return sub(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",`+
		`"Principal":{"Federated":"${OidcProviderArn}"},`+
		`"Condition":{"StringEquals":{"${Issuer}:aud":"sts.amazonaws.com","${Issuer}:sub":"system:serviceaccount:%s:%s"}}}]}`, namespace, name))
}

// The policy of the AWS Load Balancer Controller is its authors' of version 3.5.0, which covers all
// versions before it: docs/install/iam_policy.json of kubernetes-sigs/aws-load-balancer-controller.
// Where a statement stands on "*", the actions have no resource-level permissions, or what they work
// on has no name beforehand and the tag of the cluster is asked for instead.

// clusterTag asks whether the tag that the controller puts on everything it makes is absent from the
// request or from the resource.
func clusterTag(on, absent string) map[string]any {
	return map[string]any{"aws:" + on + "Tag/elbv2.k8s.aws/cluster": absent}
}

// owned holds for what carries the tag already.
func owned() map[string]map[string]any {
	return map[string]map[string]any{"Null": clusterTag("Resource", "false")}
}

// requested holds for what is made with the tag.
func requested() map[string]map[string]any {
	return map[string]map[string]any{"Null": clusterTag("Request", "false")}
}

// retagged holds for a change of other tags on what carries the tag.
func retagged() map[string]map[string]any {
	condition := clusterTag("Request", "true")
	for key, absent := range clusterTag("Resource", "false") {
		condition[key] = absent
	}
	return map[string]map[string]any{"Null": condition}
}

// loadBalancerReads is statements 2 and 3 of the policy.
func loadBalancerReads() []statement {
	return []statement{{
		ID: "Network",
		Actions: []string{
			"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones", "ec2:DescribeInternetGateways",
			"ec2:DescribeVpcs", "ec2:DescribeVpcPeeringConnections", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
			"ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeTags", "ec2:DescribeCoipPools",
			"ec2:DescribeIpamPools", "ec2:DescribeRouteTables", "ec2:GetCoipPoolUsage", "ec2:GetSecurityGroupsForVpc",
		},
		Resources: []string{"*"},
	}, {
		ID: "LoadBalancers",
		Actions: []string{
			"elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancerAttributes",
			"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeListenerCertificates",
			"elasticloadbalancing:DescribeSSLPolicies", "elasticloadbalancing:DescribeRules",
			"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroupAttributes",
			"elasticloadbalancing:DescribeTargetHealth", "elasticloadbalancing:DescribeTags",
			"elasticloadbalancing:DescribeTrustStores", "elasticloadbalancing:DescribeListenerAttributes",
			"elasticloadbalancing:DescribeCapacityReservation",
		},
		Resources: []string{"*"},
	}, {
		ID: "Integrations",
		Actions: []string{
			"cognito-idp:DescribeUserPoolClient", "acm:ListCertificates", "acm:DescribeCertificate",
			"iam:ListServerCertificates", "iam:GetServerCertificate",
			"waf-regional:GetWebACL", "waf-regional:GetWebACLForResource", "waf-regional:AssociateWebACL", "waf-regional:DisassociateWebACL",
			"wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:AssociateWebACL", "wafv2:DisassociateWebACL",
			"shield:GetSubscriptionState", "shield:DescribeProtection", "shield:CreateProtection", "shield:DeleteProtection",
		},
		Resources: []string{"*"},
	}}
}

// loadBalancerSecurityGroups is statements 4 to 8.
func loadBalancerSecurityGroups() []statement {
	groups := []string{"arn:${AWS::Partition}:ec2:*:*:security-group/*"}
	made := requested()
	made["StringEquals"] = map[string]any{"ec2:CreateAction": "CreateSecurityGroup"}
	return []statement{{
		ID:        "Rules",
		Actions:   []string{"ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"},
		Resources: []string{"*"},
	}, {
		ID:        "Create",
		Actions:   []string{"ec2:CreateSecurityGroup"},
		Resources: []string{"*"},
	}, {
		ID:        "TagNew",
		Actions:   []string{"ec2:CreateTags"},
		Resources: groups,
		Condition: made,
	}, {
		ID:        "Tag",
		Actions:   []string{"ec2:CreateTags", "ec2:DeleteTags"},
		Resources: groups,
		Condition: retagged(),
	}, {
		ID:        "Own",
		Actions:   []string{"ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", "ec2:DeleteSecurityGroup"},
		Resources: []string{"*"},
		Condition: owned(),
	}}
}

// balancing is every resource of those kinds of Elastic Load Balancing.
func balancing(kinds ...string) []string {
	var arns []string
	for _, kind := range kinds {
		arns = append(arns, "arn:${AWS::Partition}:elasticloadbalancing:*:*:"+kind)
	}
	return arns
}

// loadBalancerChanges is statements 1 and 9 to 16.
func loadBalancerChanges() []statement {
	balancers := balancing("targetgroup/*/*", "loadbalancer/net/*/*", "loadbalancer/app/*/*")
	made := requested()
	made["StringEquals"] = map[string]any{"elasticloadbalancing:CreateAction": []string{"CreateTargetGroup", "CreateLoadBalancer"}}
	tagging := []string{"elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"}
	return []statement{{
		ID:        "ServiceLinkedRole",
		Actions:   []string{"iam:CreateServiceLinkedRole"},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
	}, {
		ID:        "Create",
		Actions:   []string{"elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"},
		Resources: []string{"*"},
		Condition: requested(),
	}, {
		ID: "CreateListeners",
		Actions: []string{
			"elasticloadbalancing:CreateListener", "elasticloadbalancing:DeleteListener",
			"elasticloadbalancing:CreateRule", "elasticloadbalancing:DeleteRule",
		},
		Resources: []string{"*"},
	}, {
		ID:        "Tag",
		Actions:   tagging,
		Resources: balancers,
		Condition: retagged(),
	}, {
		ID:        "TagListeners",
		Actions:   tagging,
		Resources: balancing("listener/net/*/*/*", "listener/app/*/*/*", "listener-rule/net/*/*/*", "listener-rule/app/*/*/*"),
	}, {
		ID: "Own",
		Actions: []string{
			"elasticloadbalancing:ModifyLoadBalancerAttributes", "elasticloadbalancing:SetIpAddressType",
			"elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets", "elasticloadbalancing:DeleteLoadBalancer",
			"elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes",
			"elasticloadbalancing:DeleteTargetGroup", "elasticloadbalancing:ModifyListenerAttributes",
			"elasticloadbalancing:ModifyCapacityReservation", "elasticloadbalancing:ModifyIpPools",
		},
		Resources: []string{"*"},
		Condition: owned(),
	}, {
		ID:        "TagNew",
		Actions:   []string{"elasticloadbalancing:AddTags"},
		Resources: balancers,
		Condition: made,
	}, {
		ID:        "Targets",
		Actions:   []string{"elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"},
		Resources: balancing("targetgroup/*/*"),
	}, {
		ID: "Listeners",
		Actions: []string{
			"elasticloadbalancing:SetWebAcl", "elasticloadbalancing:ModifyListener",
			"elasticloadbalancing:AddListenerCertificates", "elasticloadbalancing:RemoveListenerCertificates",
			"elasticloadbalancing:ModifyRule", "elasticloadbalancing:SetRulePriorities",
		},
		Resources: []string{"*"},
	}}
}

// fluentBitActions is what the log output plugin calls, on the groups that it writes: those of the
// applications, which Harmonix' Logs tab reads, and Container Insights' own. Harmonix attaches
// CloudWatchAgentServerPolicy, which is about every group of the account.
func fluentBitActions() []statement {
	return []statement{{
		ID: "Write",
		Actions: []string{
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", "logs:PutRetentionPolicy",
		},
		Resources: []string{
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}",
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}:*",
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}/*",
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/containerinsights/${Prefix}-${Name}-cluster/*",
		},
	}}
}
