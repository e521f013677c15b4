package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// trusted lets the role with the ARN assume, by way of its account: IAM keeps a role that is named as
// principal by its unique id, so that a Harmonix that is deleted and installed again would be locked
// out (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
// aws:PrincipalArn is the role's ARN, with its path, in every session of the role.
func trusted(arn *string) statement {
	account := awscdk.Fn_Select(jsii.Number(4), awscdk.Fn_Split(jsii.String(":"), arn, nil))
	return statement{
		AWS:       awscdk.Fn_Join(jsii.String(""), &[]*string{sub("arn:${AWS::Partition}:iam::"), account, jsii.String(":root")}),
		Condition: map[string]map[string]any{"ArnEquals": {"aws:PrincipalArn": arn}},
	}
}

// operationsRole is what the Harmonix backend assumes, by its name.
//
// Unlike Harmonix': the statements on tables and the cluster name this environment's (Harmonix' audit
// ARN lacked "table/" and granted nothing, and Scan and PutItem were on every table), nobody may change
// the cluster past the orchestrator, security groups are made in this environment's VPC, and the
// function is the one function.
func operationsRole(platform *string, v vpcOf) role {
	return role{
		Name:        "${Prefix}-${Name}-operations-role",
		Description: "What the Harmonix backend may do in this environment",
		Trust:       trusted(platform),
		Long:        true,
		Managed: []string{
			"AmazonEC2ContainerRegistryFullAccess", "CloudWatchFullAccess", "AmazonSSMReadOnlyAccess",
			"AWSCloudFormationFullAccess", // Harmonix deletes the stacks of applications
		},
		Inline: map[string][]statement{
			"environment": append(environmentActions(v),
				statement{
					ID:      "ResourceGroups",
					Actions: []string{"resource-groups:ListGroupResources"},
					Resources: []string{
						"arn:${AWS::Partition}:resource-groups:${AWS::Region}:${AWS::AccountId}:group/*",
					},
				},
				statement{
					ID: "Audit",
					Actions: []string{
						"dynamodb:PutItem", "dynamodb:Scan", "dynamodb:Query", "dynamodb:DescribeTable",
					},
					Resources: []string{"${AuditTable.Arn}", "${AuditTable.Arn}/index/*"},
				}),
		},
	}
}

// provisioningRole is what application pipelines assume: they deploy the stacks of applications,
// roles included, which is why Harmonix gives it so much.
func provisioningRole(pipeline *string, v vpcOf) role {
	return role{
		Name:        "${Prefix}-${Name}-provisioning-role",
		Description: "What application pipelines may do in this environment",
		Trust:       trusted(pipeline),
		Long:        true,
		Managed: []string{
			"AmazonEC2ContainerRegistryFullAccess", "CloudWatchFullAccess", "AWSCloudFormationFullAccess",
			"IAMFullAccess", "AmazonS3FullAccess", "AmazonSSMReadOnlyAccess",
		},
		Inline: map[string][]statement{
			"environment": append(environmentActions(v),
				statement{
					ID: "ResourceGroups",
					Actions: []string{
						"resource-groups:ListGroupResources", "resource-groups:Tag", "resource-groups:DeleteGroup",
					},
					Resources: []string{
						"arn:${AWS::Partition}:resource-groups:${AWS::Region}:${AWS::AccountId}:group/*",
					},
				},
				statement{
					ID: "LoadBalancers",
					Actions: []string{
						"elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags",
						"ec2:DescribeVpnGateways",
					},
					Resources: []string{"*"}, // have no resource-level permissions
				},
				statement{
					ID:        "Audit",
					Actions:   []string{"dynamodb:PutItem", "dynamodb:DescribeTable"},
					Resources: []string{"${AuditTable.Arn}"},
				}),
		},
	}
}

// vpcOf are the conditions that say whose the environment's VPC is.
type vpcOf struct{ own, existing awscdk.CfnCondition }

// environmentActions is what the backend and the pipelines both do.
func environmentActions(v vpcOf) []statement {
	return []statement{{
		ID:        "Kubectl",
		Actions:   []string{"lambda:InvokeFunction"},
		Resources: []string{functionARN},
	}, {
		ID: "Cluster",
		Actions: []string{
			"eks:DescribeCluster", "eks:DescribeFargateProfile", "eks:DescribeUpdate", "eks:ListFargateProfiles",
		},
		Resources: []string{
			clusterARN,
			"arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:fargateprofile/${Prefix}-${Name}-cluster/*",
		},
	}, {
		ID: "Secrets",
		Actions: []string{
			"secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
			"secretsmanager:UpdateSecret", "secretsmanager:TagResource",
		},
		// Applications name their secrets as they like.
		Resources: []string{"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"},
	}, {
		ID:        "PackagedTemplates",
		Actions:   []string{"s3:GetObject", "s3:GetObjectAttributes"},
		Resources: []string{"arn:${AWS::Partition}:s3:::*/packaged.yaml"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:ResourceAccount": "${AWS::AccountId}"}},
	}, {
		ID: "Read",
		Actions: []string{
			"dynamodb:ListTables", "resource-groups:CreateGroup", "tag:GetResources",
			"ec2:DescribeDhcpOptions", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables",
			"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
		},
		Resources: []string{"*"}, // have no resource-level permissions
	}, {
		ID:      "SecurityGroups",
		Actions: []string{"ec2:CreateSecurityGroup"},
		// The VPC is made at the same time as this role, so its id is not known; its name is.
		// The group itself, which has no tag yet, is in the statement after the next.
		Resources: []string{"arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc/*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:ResourceTag/Name": "${Prefix}-${Name}"}},
		When:      v.own,
	}, {
		ID:        "SecurityGroupsInExistingVpc",
		Actions:   []string{"ec2:CreateSecurityGroup"},
		Resources: []string{"arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc/${VpcId}"},
		When:      v.existing,
	}, {
		ID: "SecurityGroupRules",
		Actions: []string{
			"ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress",
			"ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress",
		},
		// Every group of the account in this region, as in Harmonix: an application's groups carry no tag
		// of the environment's, and ec2:Vpc wants the VPC's id.
		Resources: []string{"arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:security-group/*"},
	}, {
		ID:        "AuditKey",
		Actions:   []string{"kms:Decrypt"}, // what DynamoDB asks of whoever reads or writes the table
		Resources: []string{"${AuditKey.Arn}"},
	}}
}
