package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// ARNs of what an environment consists of, as far as more than one statement names them.
const (
	clusterARN  = "arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:cluster/${Prefix}-${Name}-cluster"
	functionARN = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:EKS-ENV-${Prefix}-${Name}-kubectl"
	roleARN     = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"
)

// identity is an environment's keys, audit table and roles. The roles have a stack of their own,
// made before everything that uses them, because a role that is seconds old is refused by EKS and Lambda.
//
// What differs from the roles of Harmonix' own provider is said where it differs; the names are the same.
func identity(t *template) {
	t.describe("EKS environment: keys, audit table and roles")
	t.identify()
	t.bounded()
	platform := t.text("PlatformRole", "ARN of the role of the Harmonix backend, which may assume the operations role")
	pipeline := t.text("PipelineRole", "ARN of the role of the application pipelines, which may assume the provisioning role")
	adminRole := t.optional("ClusterAdminRole", "ARN of an existing role that administers the cluster; empty: one is made")
	trust := t.optional("ClusterAdminTrust", "ARNs of roles and users that may assume the cluster admin role made here, comma-separated")
	trustAccounts := t.optional("ClusterAdminTrustAccounts", "The accounts of those, as ARNs of their roots, comma-separated")
	nodeType := t.choice("NodeType", "What the pods run on", "FARGATE", "MANAGED")
	assumable := t.optional("AssumableRoles", "ARNs of further roles that the kubectl function may assume, comma-separated")
	chart := t.optional("ChartObject", "The chart of the load balancer controller in S3, as bucket/key; empty: it comes from elsewhere")

	ownAdmin := t.when("CreateClusterAdmin", empty(adminRole))
	suppliedAdmin := t.when("SuppliedClusterAdmin", awscdk.Fn_ConditionNot(empty(adminRole)))
	furtherRoles := t.when("FurtherRoles", awscdk.Fn_ConditionNot(empty(assumable)))
	chartInS3 := t.when("ChartInS3", awscdk.Fn_ConditionNot(empty(chart)))
	fargate := t.when("Fargate", awscdk.Fn_ConditionEquals(nodeType, jsii.String("FARGATE")))
	managed := t.when("Managed", awscdk.Fn_ConditionEquals(nodeType, jsii.String("MANAGED")))

	key := encryptionKey(t, "AuditKey", "alias/${Prefix}-${Name}-key", "Audit table of an EKS environment", awscdk.CfnDeletionPolicy_DELETE)
	// Without its key the secrets of a cluster, and of every backup of it, are lost.
	secrets := encryptionKey(t, "SecretsKey", "alias/eks/${Prefix}-${Name}-cluster-key-alias", "Kubernetes secrets of an EKS environment", awscdk.CfnDeletionPolicy_RETAIN_EXCEPT_ON_CREATE)
	table := auditTable(t, key)

	operations := t.role("OperationsRole", operationsRole(platform))
	provisioning := t.role("ProvisioningRole", provisioningRole(pipeline))
	// Never under a condition, renamed or moved: another ARN means another cluster.
	controlPlane := t.role("ControlPlaneRole", role{
		Name:        "${Prefix}-${Name}-cluster-control-plane-role",
		Description: "What EKS may do for the control plane",
		Trust:       statement{Service: "eks.amazonaws.com"},
		Managed:     []string{"AmazonEKSClusterPolicy"},
		Long:        true,
	})
	function := t.role("KubectlRole", kubectlRole(suppliedAdmin, furtherRoles, chartInS3))
	admin := t.role("AdminRole", clusterAdminRole(function, ownAdmin, operators(t, trust, trustAccounts)))
	node := t.role("NodeRole", role{
		Name:        "${Prefix}-${Name}-node-role",
		Description: "What the nodes may do",
		Trust:       statement{Service: "ec2.amazonaws.com"},
		Managed:     []string{"AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"},
		When:        managed,
	})
	pod := t.role("PodExecutionRole", podExecutionRole(fargate))

	t.output("KeyArn", "The key of the audit table", key.AttrArn(), nil)
	t.output("SecretsKeyArn", "The key of the cluster's secrets", secrets.AttrArn(), nil)
	t.output("AuditTable", "The name of the audit table", table.Ref(), nil)
	t.output("OperationsRoleArn", "What the Harmonix backend assumes", operations.AttrArn(), nil)
	t.output("ProvisioningRoleArn", "What application pipelines assume", provisioning.AttrArn(), nil)
	t.output("ControlPlaneRoleArn", "The cluster's role", controlPlane.AttrArn(), nil)
	t.output("ClusterAdminRoleArn", "Who administers the cluster: the supplied role, or the one made here",
		either(ownAdmin, admin.AttrArn(), adminRole), nil)
	t.output("KubectlRoleArn", "The kubectl function's role", function.AttrArn(), nil)
	t.output("NodeRoleArn", "The nodes' role", node.AttrArn(), managed)
	t.output("PodExecutionRoleArn", "What Fargate pods are started with", pod.AttrArn(), fargate)
}

// encryptionKey declares a key that the account administers, and its alias.
func encryptionKey(t *template, id, alias, description string, policy awscdk.CfnDeletionPolicy) awskms.CfnKey {
	key := awskms.NewCfnKey(t.stack, &id, &awskms.CfnKeyProps{
		Description:         &description,
		EnableKeyRotation:   jsii.Bool(true),
		PendingWindowInDays: jsii.Number(8), // as in Harmonix
		KeyPolicy: document(statement{
			ID:        "Account",
			AWS:       sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root"),
			Actions:   []string{"kms:*"},
			Resources: []string{"*"}, // in a key policy: this key
		}),
	})
	key.CfnOptions().SetDeletionPolicy(policy)
	key.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	awskms.NewCfnAlias(t.stack, jsii.String(id+"Alias"), &awskms.CfnAliasProps{
		AliasName:   sub(alias),
		TargetKeyId: key.Ref(),
	})
	return key
}

// auditTable is where the Harmonix backend writes what it was asked for. The index is on
// createdDate, which Harmonix writes; its own template has it on currentDate, which nothing writes.
func auditTable(t *template, key awskms.CfnKey) awsdynamodb.CfnTable {
	attribute := func(name string) *awsdynamodb.CfnTable_AttributeDefinitionProperty {
		return &awsdynamodb.CfnTable_AttributeDefinitionProperty{AttributeName: &name, AttributeType: jsii.String("S")}
	}
	element := func(name, kind string) *awsdynamodb.CfnTable_KeySchemaProperty {
		return &awsdynamodb.CfnTable_KeySchemaProperty{AttributeName: &name, KeyType: &kind}
	}
	table := awsdynamodb.NewCfnTable(t.stack, jsii.String("AuditTable"), &awsdynamodb.CfnTableProps{
		TableName:            sub("${Prefix}-${Name}-audit"),
		BillingMode:          jsii.String("PAY_PER_REQUEST"),
		AttributeDefinitions: []any{attribute("id"), attribute("createdAt"), attribute("createdDate")},
		KeySchema:            []any{element("id", "HASH"), element("createdAt", "RANGE")},
		GlobalSecondaryIndexes: []any{&awsdynamodb.CfnTable_GlobalSecondaryIndexProperty{
			IndexName:  jsii.String("createdDateIdx"),
			KeySchema:  []any{element("createdDate", "HASH")},
			Projection: &awsdynamodb.CfnTable_ProjectionProperty{ProjectionType: jsii.String("ALL")},
		}},
		PointInTimeRecoverySpecification: &awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		SseSpecification: &awsdynamodb.CfnTable_SSESpecificationProperty{
			SseEnabled:     jsii.Bool(true),
			SseType:        jsii.String("KMS"),
			KmsMasterKeyId: key.AttrArn(),
		},
	})
	// As in Harmonix, and because a table that stays would be in the way of the next environment of
	// this name.
	table.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	table.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	return table
}

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
func operationsRole(platform *string) role {
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
			"environment": append(environmentActions(),
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
func provisioningRole(pipeline *string) role {
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
			"environment": append(environmentActions(),
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

// environmentActions is what the backend and the pipelines both do.
func environmentActions() []statement {
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
		// The group itself, which has no tag yet, is in the statement after this one.
		Resources: []string{"arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc/*"},
		Condition: map[string]map[string]any{"StringEquals": {"aws:ResourceTag/Name": "${Prefix}-${Name}"}},
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

// kubectlRole is the kubectl function's own role. It has no rights in the cluster: for every request
// the function assumes the role that the request names, if it is one of those listed here.
func kubectlRole(suppliedAdmin, furtherRoles, chartInS3 awscdk.CfnCondition) role {
	interfaces := []string{
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
		"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}
	var assumable []string
	for _, name := range environment.AssumableRoleNames("${Prefix}-${Name}") {
		assumable = append(assumable, roleARN+name)
	}
	return role{
		Name:        "${Prefix}-${Name}-kubectl-lambda-role",
		Description: "What the kubectl function may do",
		Trust:       statement{Service: "lambda.amazonaws.com"},
		Inline: map[string][]statement{
			"cluster": {
				{ID: "Cluster", Actions: []string{"eks:DescribeCluster"}, Resources: []string{clusterARN}},
				{
					ID:        "AssumeCallersRole",
					Actions:   []string{"sts:AssumeRole"},
					Resources: assumable,
				},
				{
					ID:      "AssumeSuppliedAdmin",
					Actions: []string{"sts:AssumeRole"},
					List:    sub("${ClusterAdminRole}"),
					When:    suppliedAdmin,
				},
				{
					ID:      "AssumeFurtherRoles",
					Actions: []string{"sts:AssumeRole"},
					List:    awscdk.Fn_Split(jsii.String(","), awscdk.Fn_Ref(jsii.String("AssumableRoles")), nil),
					When:    furtherRoles,
				},
			},
			"charts": chartActions(chartInS3),
			"runtime": {
				{
					ID:      "Logs",
					Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"},
					Resources: []string{
						"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/EKS-ENV-${Prefix}-${Name}-kubectl:*",
					},
				},
				// Lambda makes the function's network interfaces with the function's role, and requires
				// these actions on everything. The code itself gets none of them.
				{ID: "NetworkInterfaces", Actions: interfaces, Resources: []string{"*"}},
				{
					ID:        "NotForTheCode",
					Deny:      true,
					Actions:   interfaces,
					Resources: []string{"*"},
					Condition: map[string]map[string]any{"ArnEquals": {"lambda:SourceFunctionArn": functionARN}},
				},
			},
		},
	}
}

// chartActions is what reading Helm charts takes: of a registry of Amazon ECR, of the public one, and
// of the one object in S3 that the request names. Other addresses take no rights.
func chartActions(inS3 awscdk.CfnCondition) []statement {
	return []statement{{
		ID:        "RegistryToken",
		Actions:   []string{"ecr:GetAuthorizationToken"},
		Resources: []string{"*"}, // has no resource-level permissions
	}, {
		ID:      "Repositories",
		Actions: []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
		// A company has its charts in one account. The repository's policy decides who else may read them.
		Resources: []string{"arn:${AWS::Partition}:ecr:*:*:repository/*"},
	}, {
		// The public registry is read without rights, too, but then it counts calls by address. It belongs
		// to the partition aws; in others these two actions name nothing.
		ID:        "PublicRegistryToken",
		Actions:   []string{"ecr-public:GetAuthorizationToken"},
		Resources: []string{"*"}, // has no resource-level permissions
	}, {
		ID:        "PublicRegistryBearer",
		Actions:   []string{"sts:GetServiceBearerToken"},
		Resources: []string{"*"}, // has no resource-level permissions
		Condition: map[string]map[string]any{"StringEquals": {"sts:AWSServiceName": "ecr-public.amazonaws.com"}},
	}, {
		ID:        "ChartObject",
		Actions:   []string{"s3:GetObject"},
		Resources: []string{"arn:${AWS::Partition}:s3:::${ChartObject}"},
		When:      inS3,
	}}
}

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

// podExecutionRole is what Fargate starts pods with: pulling images and writing logs, for the
// profiles of this cluster only.
func podExecutionRole(fargate awscdk.CfnCondition) role {
	return role{
		Name:        "${Prefix}-${Name}-pod-execution-role",
		Description: "What Fargate may do to start pods and ship their logs",
		Trust: statement{
			Service: "eks-fargate-pods.amazonaws.com",
			Condition: map[string]map[string]any{"ArnLike": {
				"aws:SourceArn": "arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:fargateprofile/${Prefix}-${Name}-cluster/*",
			}},
		},
		Managed: []string{"AmazonEKSFargatePodExecutionRolePolicy"},
		Long:    true,
		Inline: map[string][]statement{"logsPolicy": {{
			ID: "ApplicationLogs",
			Actions: []string{
				"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
				"logs:PutLogEvents", "logs:PutRetentionPolicy",
			},
			Resources: []string{
				"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}",
				"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}:*",
				"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/apps/${Prefix}-${Name}/*",
			},
		}}},
		When: fargate,
	}
}
