package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseks"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// cluster is the EKS control plane, its OIDC provider and the access entries.
//
// A new cluster would take the place of the old one if Name, RoleArn, EncryptionConfig or
// BootstrapClusterCreatorAdminPermissions changed, or the logical id. The fixed name makes such a
// replacement fail, the stack policy (see [clusterPolicy]) refuses it before, and
// UpdateReplacePolicy keeps the old cluster should both be overridden.
//
// The control plane's log group is not declared: EKS makes it, again after a deletion if it must.
func cluster(t *template) {
	t.describe("EKS environment: control plane, OIDC provider and access entries")
	t.identify()
	version := t.parameter("KubernetesVersion", awscdk.CfnParameterProps{
		Description:    jsii.String("Kubernetes minor version, such as 1.36"),
		AllowedPattern: jsii.String(`1\.[0-9]{2}`),
	}).ValueAsString()
	roleARN := t.text("ControlPlaneRoleArn", "ARN of the cluster's role")
	keyARN := t.text("SecretsKeyArn", "ARN of the key that encrypts the cluster's secrets")
	access := apiAccess(t)
	admin := t.text("ClusterAdminRoleArn", "ARN of the role that administers the cluster")
	provisioning := t.text("ProvisioningRoleArn", "ARN of the role of application pipelines")
	support := t.parameter("SupportType", awscdk.CfnParameterProps{
		Description: jsii.String("What happens at the end of standard support: STANDARD upgrades the cluster, " +
			"EXTENDED keeps the version at a higher price"),
		AllowedValues: jsii.Strings("STANDARD", "EXTENDED"),
		Default:       "STANDARD",
	}).ValueAsString()

	resource := awseks.NewCfnCluster(t.stack, jsii.String("Cluster"), &awseks.CfnClusterProps{
		Name:               sub("${Prefix}-${Name}-cluster"),
		Version:            version,
		RoleArn:            roleARN,
		ResourcesVpcConfig: access,
		EncryptionConfig: []any{&awseks.CfnCluster_EncryptionConfigProperty{
			Provider:  &awseks.CfnCluster_ProviderProperty{KeyArn: keyARN},
			Resources: jsii.Strings("secrets"),
		}},
		// Once there, Logging can be emptied but not removed: an update without it fails, and so does
		// its rollback. The types are those of Harmonix.
		Logging: &awseks.CfnCluster_LoggingProperty{ClusterLogging: &awseks.CfnCluster_ClusterLoggingProperty{
			EnabledTypes: []any{logType("api"), logType("authenticator"), logType("scheduler")},
		}},
		AccessConfig: &awseks.CfnCluster_AccessConfigProperty{
			// Harmonix' application pipelines add their roles to the aws-auth ConfigMap.
			AuthenticationMode: jsii.String("API_AND_CONFIG_MAP"),
			// The creator is CloudFormation's service role: it has no business in the cluster.
			BootstrapClusterCreatorAdminPermissions: jsii.Bool(false),
		},
		UpgradePolicy: &awseks.CfnCluster_UpgradePolicyProperty{SupportType: support},
	})
	resource.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	resource.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)

	// Without thumbprints: IAM finds the certificate authority itself.
	oidc := awsiam.NewCfnOIDCProvider(t.stack, jsii.String("OidcProvider"), &awsiam.CfnOIDCProviderProps{
		Url:          resource.AttrOpenIdConnectIssuerUrl(),
		ClientIdList: jsii.Strings("sts.amazonaws.com"),
	})
	accessEntry(t, "ClusterAdminAccess", resource, admin)
	accessEntry(t, "ProvisioningAccess", resource, provisioning)

	t.output("ClusterArn", "The cluster", resource.AttrArn(), nil)
	t.output("ClusterName", "The cluster's name", resource.Ref(), nil)
	t.output("Endpoint", "Address of the Kubernetes API", resource.AttrEndpoint(), nil)
	t.output("ClusterSecurityGroupId", "The security group that EKS made for the cluster", resource.AttrClusterSecurityGroupId(), nil)
	t.output("Issuer", "Issuer of service account tokens, without https://",
		awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String("//"), resource.AttrOpenIdConnectIssuerUrl(), nil)), nil)
	t.output("OidcProviderArn", "The IAM OIDC provider of that issuer", oidc.AttrArn(), nil)
}

// apiAccess declares where the control plane is and from where the Kubernetes API can be reached.
func apiAccess(t *template) *awseks.CfnCluster_ResourcesVpcConfigProperty {
	subnets := t.list("SubnetIds", "The cluster's subnets: the public ones, then the private ones")
	group := t.text("SecurityGroupId", "Additional security group, which admits the kubectl function")
	public := t.choice("PublicAccess", "Whether the Kubernetes API can be reached from the internet", "true", "false")
	cidrs := t.optional("PublicAccessCidrs", "Address blocks that may reach it from there, comma-separated; empty: all. Once given, there have to be some")

	t.when("Public", awscdk.Fn_ConditionEquals(public, jsii.String("true")))
	// Whether the API is public or not: CloudFormation refuses to update a cluster without a list that it had.
	restricted := t.when("Restricted", awscdk.Fn_ConditionNot(empty(cidrs)))

	return &awseks.CfnCluster_ResourcesVpcConfigProperty{
		SubnetIds:        subnets,
		SecurityGroupIds: &[]*string{group},
		// Always private too: nodes and the kubectl function stay inside the VPC.
		EndpointPrivateAccess: jsii.Bool(true),
		EndpointPublicAccess:  awscdk.Fn_ConditionIf(jsii.String("Public"), true, false),
		PublicAccessCidrs: awscdk.Token_AsList(awscdk.Fn_ConditionIf(restricted.LogicalId(),
			awscdk.Fn_Split(jsii.String(","), cidrs, nil), awscdk.Aws_NO_VALUE()), nil),
	}
}

func logType(name string) *awseks.CfnCluster_LoggingTypeConfigProperty {
	return &awseks.CfnCluster_LoggingTypeConfigProperty{Type: &name}
}

// accessEntry makes the role an administrator of the cluster. The user name is the role's ARN, as
// in aws-auth, because Harmonix' role bindings name users that way.
func accessEntry(t *template, id string, cluster awseks.CfnCluster, roleARN *string) {
	awseks.NewCfnAccessEntry(t.stack, &id, &awseks.CfnAccessEntryProps{
		ClusterName:  cluster.Ref(),
		PrincipalArn: roleARN,
		Username:     roleARN,
		Type:         jsii.String("STANDARD"),
		AccessPolicies: []any{&awseks.CfnAccessEntry_AccessPolicyProperty{
			PolicyArn:   sub("arn:${AWS::Partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"),
			AccessScope: &awseks.CfnAccessEntry_AccessScopeProperty{Type: jsii.String("cluster")},
		}},
	})
}

// clusterPolicy is the stack policy of the cluster stack: everything may be updated, the cluster
// neither replaced nor removed by an update. Deleting the stack is not an update.
func clusterPolicy() []byte {
	return []byte(`{
 "Statement": [
  {
   "Effect": "Allow",
   "Action": ["Update:*"],
   "Principal": "*",
   "Resource": "*"
  },
  {
   "Effect": "Deny",
   "Action": ["Update:Replace", "Update:Delete"],
   "Principal": "*",
   "Resource": "LogicalResourceId/Cluster"
  }
 ]
}
`)
}

// clusterActions is what the service role needs for the cluster stack.
func clusterActions() []statement {
	return []statement{{
		ID: "Cluster",
		Actions: []string{
			"eks:CreateCluster", "eks:DescribeCluster", "eks:DeleteCluster",
			"eks:UpdateClusterConfig", "eks:UpdateClusterVersion", "eks:DescribeUpdate", "eks:ListUpdates",
			"eks:CreateAccessEntry", "eks:DescribeAccessEntry", "eks:UpdateAccessEntry", "eks:DeleteAccessEntry",
			"eks:ListAccessEntries", "eks:ListAssociatedAccessPolicies",
			"eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy",
			"eks:TagResource", "eks:UntagResource", "eks:ListTagsForResource",
		},
		Resources: []string{
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:cluster/*-cluster",
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:access-entry/*-cluster/*",
		},
	}, {
		ID: "OIDCProvider",
		Actions: []string{
			"iam:CreateOpenIDConnectProvider", "iam:GetOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider",
			"iam:UpdateOpenIDConnectProviderThumbprint",
			"iam:AddClientIDToOpenIDConnectProvider", "iam:RemoveClientIDFromOpenIDConnectProvider",
			"iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider", "iam:ListOpenIDConnectProviderTags",
		},
		Resources: []string{
			"arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/oidc.eks.${AWS::Region}.${AWS::URLSuffix}/*",
		},
	}, {
		ID:        "ListOIDCProviders",
		Actions:   []string{"iam:ListOpenIDConnectProviders"},
		Resources: []string{"*"}, // has no resource-level permissions
	}}
}
