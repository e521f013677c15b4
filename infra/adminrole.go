package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// operators lets the roles and users of a request assume a role. They are trusted by way of their
// accounts, as in [trusted]: a principal that does not exist, or not any more, would make IAM refuse
// the whole policy.
func operators(t *template, arns, accounts *string) statement {
	list := func(value *string) *[]*string { return awscdk.Fn_Split(jsii.String(","), value, nil) }
	return statement{
		ID:        "Operators",
		AWS:       list(accounts),
		Condition: map[string]map[string]any{"ArnEquals": {"aws:PrincipalArn": list(arns)}},
		When:      t.when("TrustedOperators", awscdk.Fn_ConditionNot(empty(arns))),
	}
}

// clusterAdminRole administers the cluster, through the kubectl function, and whoever the request
// names. Harmonix' trusts the whole account and may change the cluster itself; here an operator who
// needs that uses a role of their own, supplied as ClusterAdminRole or given an access entry.
func clusterAdminRole(function awsiam.CfnRole, own awscdk.CfnCondition, operators statement) role {
	return role{
		Name:        "${Prefix}-${Name}-cluster-admin-role",
		Description: "Administers the Kubernetes cluster, through the kubectl function",
		Trust:       statement{AWS: function.AttrArn()},
		More:        []statement{operators},
		Long:        true,
		Inline: map[string][]statement{"cluster": {{
			ID: "Cluster",
			Actions: []string{
				"eks:AccessKubernetesApi", "eks:DescribeCluster", "eks:ListTagsForResource",
				"eks:ListNodegroups", "eks:ListFargateProfiles", "eks:ListAddons", "eks:ListUpdates", "eks:DescribeUpdate",
			},
			Resources: []string{clusterARN},
		}, {
			ID:        "ListClusters",
			Actions:   []string{"eks:ListClusters"},
			Resources: []string{"*"}, // has no resource-level permissions
		}}},
		When: own,
	}
}
