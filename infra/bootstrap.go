package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// bootstrap is the stack that all environments of an account and region share and that outlives
// them: the CloudFormation service role that every other stack is made with, and the bucket that
// functions and layers are installed from.
//
// The service role belongs to no environment because CloudFormation goes on using it for a stack
// until the stack is gone; deleted with an environment, it would leave stacks that cannot be deleted.
func bootstrap(t *template) {
	t.describe("EKS environments: what all environments of this account and region share")
	platform := t.parameter("PlatformAccount", awscdk.CfnParameterProps{
		Description:    jsii.String("Account id of the platform account whose orchestrator makes the environments here"),
		AllowedPattern: jsii.String("[0-9]{12}"),
	}).ValueAsString()

	t.bounded()

	bucket := artifactBucket(t)
	service := t.role("ServiceRole", role{
		Name:        "EKS-ENV-CloudFormation-${AWS::Region}",
		Description: "What CloudFormation may do for the stacks of EKS environments",
		Trust: statement{
			Service: "cloudformation.amazonaws.com",
			// IfExists: whether CloudFormation states the account for the service role of a stack is
			// not documented, and PassRole already keeps other accounts out.
			Condition: map[string]map[string]any{
				"StringEqualsIfExists": {"aws:SourceAccount": "${AWS::AccountId}"},
			},
		},
	})
	service.SetManagedPolicyArns(servicePolicies(t))

	t.output("ServiceRoleArn", "The role that CloudFormation makes the environments' stacks with", service.AttrArn(), nil)
	t.output("ArtifactBucket", "The bucket with the code of functions and layers", bucket.Ref(), nil)
	t.output("PlatformAccount", "The platform account that this stack was made for", platform, nil)
}

// servicePolicies declares what the service role may do and returns the policies' ARNs. They are
// managed policies, because all inline policies of a role together have 10,240 characters, and each of
// these has 6,144 of its own.
func servicePolicies(t *template) *[]*string {
	policies := map[string][]statement{
		"Network":    slices.Concat(networkActions(), egressActions()),
		"Roles":      roleActions(),
		"Keys":       keyActions(),
		"Kubernetes": slices.Concat(kubernetesActions(), capacityActions()),
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

// artifactBucket is versioned, so that a function can be set back to the code it had, and is
// deleted with the stack. CloudFormation deletes only an empty bucket: emptying it, versions
// included, is the documented first step of removing the bootstrap stack.
func artifactBucket(t *template) awss3.CfnBucket {
	bucket := awss3.NewCfnBucket(t.stack, jsii.String("ArtifactBucket"), &awss3.CfnBucketProps{
		BucketName: sub("eks-env-artifacts-${AWS::AccountId}-${AWS::Region}"),
		BucketEncryption: &awss3.CfnBucket_BucketEncryptionProperty{
			ServerSideEncryptionConfiguration: []any{&awss3.CfnBucket_ServerSideEncryptionRuleProperty{
				ServerSideEncryptionByDefault: &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{
					SseAlgorithm: jsii.String("AES256"),
				},
			}},
		},
		OwnershipControls: &awss3.CfnBucket_OwnershipControlsProperty{
			Rules: []any{&awss3.CfnBucket_OwnershipControlsRuleProperty{
				ObjectOwnership: jsii.String("BucketOwnerEnforced"),
			}},
		},
		PublicAccessBlockConfiguration: &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
			BlockPublicAcls:       jsii.Bool(true),
			BlockPublicPolicy:     jsii.Bool(true),
			IgnorePublicAcls:      jsii.Bool(true),
			RestrictPublicBuckets: jsii.Bool(true),
		},
		VersioningConfiguration: &awss3.CfnBucket_VersioningConfigurationProperty{Status: jsii.String("Enabled")},
		LifecycleConfiguration: &awss3.CfnBucket_LifecycleConfigurationProperty{
			Rules: []any{&awss3.CfnBucket_RuleProperty{
				Id:     jsii.String("expire-replaced-artifacts"),
				Status: jsii.String("Enabled"),
				NoncurrentVersionExpiration: &awss3.CfnBucket_NoncurrentVersionExpirationProperty{
					NoncurrentDays: jsii.Number(30),
				},
				AbortIncompleteMultipartUpload: &awss3.CfnBucket_AbortIncompleteMultipartUploadProperty{
					DaysAfterInitiation: jsii.Number(1),
				},
			}},
		},
	})
	bucket.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	awss3.NewCfnBucketPolicy(t.stack, jsii.String("ArtifactBucketPolicy"), &awss3.CfnBucketPolicyProps{
		Bucket: bucket.Ref(),
		PolicyDocument: document(statement{
			ID:        "TLSOnly",
			Deny:      true,
			AWS:       "*",
			Actions:   []string{"s3:*"},
			Resources: []string{"${ArtifactBucket.Arn}", "${ArtifactBucket.Arn}/*"},
			Condition: map[string]map[string]any{"Bool": {"aws:SecureTransport": "false"}},
		}),
	})
	return bucket
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

// networkActions is what the network stack needs. An EC2 identifier is not known before the call
// that makes it, so the region is what the statement can hold on to.
func networkActions() []statement {
	return []statement{{
		ID: "Network",
		Actions: []string{
			"ec2:CreateVpc", "ec2:DeleteVpc", "ec2:ModifyVpcAttribute",
			"ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute",
			"ec2:CreateInternetGateway", "ec2:DeleteInternetGateway",
			"ec2:AttachInternetGateway", "ec2:DetachInternetGateway",
			"ec2:CreateRouteTable", "ec2:DeleteRouteTable",
			"ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute",
			"ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation",
			"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:ModifySecurityGroupRules",
			"ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress",
			"ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress",
			"ec2:UpdateSecurityGroupRuleDescriptionsIngress", "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
			"ec2:CreateTags", "ec2:DeleteTags",
		},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}},
	}, {
		ID: "ReadNetwork",
		// DescribeNetworkInterfaces by its name, although the pattern covers it: CloudFormation waits
		// for the interfaces of a deleted VPC function only if it may call it, and without that wait
		// the subnets and security groups cannot be deleted afterwards.
		Actions: []string{"ec2:Describe*", "ec2:DescribeNetworkInterfaces", "ec2:GetSecurityGroupsForVpc"},
		// EC2's describe calls have no resource-level permissions.
		Resources: []string{"*"},
	}}
}

// egressActions is what the egress stack needs besides what the network stack needs.
func egressActions() []statement {
	return []statement{{
		ID: "Egress",
		Actions: []string{
			"ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:DisassociateAddress",
			"ec2:CreateNatGateway", "ec2:DeleteNatGateway",
			"ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint", "ec2:DeleteVpcEndpoints",
			"ec2:CreateFlowLogs", "ec2:DeleteFlowLogs",
			"logs:CreateLogDelivery", "logs:DeleteLogDelivery",
		},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}},
	}, {
		ID: "EndpointNames",
		// What EC2 does with the caller's permissions for an endpoint with private DNS.
		Actions:   []string{"route53:AssociateVPCWithHostedZone"},
		Resources: []string{"arn:${AWS::Partition}:route53:::hostedzone/*"},
	}}
}

// capacityActions is what the capacity stack needs. EKS asks whether the caller could start the
// instances of a launch template, which is what RunInstances is for.
func capacityActions() []statement {
	return []statement{{
		ID: "Capacity",
		Actions: []string{
			"eks:CreateNodegroup", "eks:DescribeNodegroup", "eks:UpdateNodegroupConfig", "eks:UpdateNodegroupVersion", "eks:DeleteNodegroup",
			"eks:CreateFargateProfile", "eks:DescribeFargateProfile", "eks:DeleteFargateProfile",
			"eks:TagResource", "eks:UntagResource", "eks:DescribeUpdate", "eks:ListUpdates",
		},
		Resources: []string{
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:cluster/*-cluster",
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:nodegroup/*-cluster/*",
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:fargateprofile/*-cluster/*",
		},
	}, {
		ID: "LaunchTemplates",
		Actions: []string{
			"ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate", "ec2:DeleteLaunchTemplate", "ec2:RunInstances",
		},
		Resources: []string{"*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}},
	}}
}

// keysARN is every key of the account in the region: a key's id is not known beforehand.
const keysARN = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"

// roleActions is what the roles of the identity, egress and add-on stacks need.
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

// keyActions is what the keys and the audit table of the identity stack need.
func keyActions() []statement {
	return []statement{{
		ID:        "CreateKeys",
		Actions:   []string{"kms:CreateKey"},
		Resources: []string{"*"}, // a key has no name before it exists
		Condition: madeTagged(),
	}, {
		ID:        "TagKeys",
		Actions:   []string{"kms:TagResource"}, // part of making a key with tags
		Resources: []string{keysARN},
		Condition: madeTagged(),
	}, {
		ID: "Keys",
		Actions: []string{
			"kms:PutKeyPolicy", "kms:DisableKeyRotation", "kms:EnableKey", "kms:DisableKey",
			"kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
			"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", // these three want the key and the alias
		},
		Resources: []string{keysARN},
		Condition: tagged(),
	}, {
		ID:      "Aliases",
		Actions: []string{"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"},
		// An alias has no tags, but there is none without a key.
		Resources: []string{
			"arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:alias/*-key",
			"arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:alias/eks/*-cluster-key-alias",
		},
	}, {
		ID: "ReadKeys",
		Actions: []string{
			"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags",
			// Called in the moment in which a key comes into being, when KMS may not know its tags yet:
			// https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html
			"kms:EnableKeyRotation",
		},
		Resources: []string{keysARN},
	}, {
		ID:        "ListAliases",
		Actions:   []string{"kms:ListAliases"},
		Resources: []string{"*"}, // has no resource-level permissions
	}, {
		ID: "UseKeys",
		// DynamoDB encrypts, and makes its grant, with the permissions of whoever makes the table.
		Actions: []string{
			"kms:CreateGrant", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
		},
		Resources: []string{keysARN},
		Condition: map[string]map[string]any{
			"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"},
			"Null":       tagged()["Null"],
		},
	}, {
		ID: "GrantSecretsKey",
		// EKS makes its grant on the secrets key with the permissions of whoever makes the cluster.
		Actions:   []string{"kms:CreateGrant"},
		Resources: []string{keysARN},
		Condition: tagged(),
	}, {
		ID: "AuditTable",
		Actions: []string{
			"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable",
			"dynamodb:DescribeContinuousBackups", "dynamodb:UpdateContinuousBackups",
			"dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive",
			"dynamodb:DescribeContributorInsights", "dynamodb:UpdateContributorInsights",
			"dynamodb:DescribeKinesisStreamingDestination", "dynamodb:GetResourcePolicy",
			"dynamodb:TagResource", "dynamodb:UntagResource", "dynamodb:ListTagsOfResource",
		},
		Resources: []string{
			"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*-audit",
			"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*-audit/index/*",
		},
	}}
}

// kubernetesActions is what the cluster stack needs, and the roles that services are handed.
func kubernetesActions() []statement {
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
	}, {
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

// deleteHookActions is what the delete hook's stack needs besides what the kubectl stacks need, and what
// CloudFormation calls for the provider stacks' custom resource. The hook's role is no environment's,
// and so not tagged as one's.
func deleteHookActions() []statement {
	const roleARN = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/EKS-ENV-DeleteHook-${AWS::Region}"
	return []statement{{
		ID: "DeleteHookRole",
		Actions: []string{
			"iam:CreateRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy",
			"iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies",
			"iam:ListRoleTags", "iam:TagRole", "iam:UntagRole", "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
		},
		Resources: []string{roleARN},
	}, {
		ID:        "PassDeleteHookRole",
		Actions:   []string{"iam:PassRole"},
		Resources: []string{roleARN},
		Condition: map[string]map[string]any{"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
	}, {
		ID:        "CallDeleteHook",
		Actions:   []string{"lambda:InvokeFunction"},
		Resources: []string{"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:EKS-ENV-DeleteHook"},
	}}
}

// functionActions is what the kubectl stack needs.
func functionActions() []statement {
	return []statement{{
		ID: "Functions",
		Actions: []string{
			"lambda:CreateFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:DeleteFunction",
			"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
			"lambda:GetFunctionCodeSigningConfig", "lambda:GetRuntimeManagementConfig",
			"lambda:GetFunctionRecursionConfig", "lambda:PutFunctionRecursionConfig",
			"lambda:GetFunctionEventInvokeConfig", "lambda:PutFunctionEventInvokeConfig",
			"lambda:UpdateFunctionEventInvokeConfig", "lambda:DeleteFunctionEventInvokeConfig",
			"lambda:PublishLayerVersion", "lambda:GetLayerVersion", "lambda:DeleteLayerVersion",
			"lambda:TagResource", "lambda:UntagResource", "lambda:ListTags",
		},
		Resources: []string{
			"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:EKS-ENV-*",
			"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:layer:EKS-ENV-*",
		},
	}, {
		ID:      "Artifacts",
		Actions: []string{"s3:GetObject", "s3:GetObjectVersion"},
		Resources: []string{
			"arn:${AWS::Partition}:s3:::eks-env-artifacts-${AWS::AccountId}-${AWS::Region}/*",
		},
	}, {
		ID: "LogGroups",
		Actions: []string{
			"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy",
			"logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource",
		},
		Resources: []string{
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/EKS-ENV-*",
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vpc/*-flow-logs",
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vpc/*-flow-logs:*",
		},
	}, {
		ID:        "ReadLogGroups",
		Actions:   []string{"logs:DescribeLogGroups", "logs:DescribeIndexPolicies", "logs:GetDataProtectionPolicy"},
		Resources: []string{"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*"},
	}}
}

// providerActions is what the provider stack needs. Its parameters lie under /{prefix}/{name}/,
// and the bootstrap stack knows neither.
func providerActions() []statement {
	return []statement{{
		ID: "Parameters",
		Actions: []string{
			"ssm:PutParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:DeleteParameter", "ssm:DeleteParameters",
			"ssm:AddTagsToResource", "ssm:RemoveTagsFromResource", "ssm:ListTagsForResource",
		},
		Resources: []string{"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/*"},
	}, {
		ID:        "DescribeParameters",
		Actions:   []string{"ssm:DescribeParameters"},
		Resources: []string{"*"}, // has no resource-level permissions
	}}
}
