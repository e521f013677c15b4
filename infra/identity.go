package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
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
	vpc := t.optional("VpcId", "The VPC, if it was there before the environment; empty: one is made beside the roles")
	chart := t.optional("ChartObject", "The chart of the load balancer controller in S3, as bucket/key; empty: it comes from elsewhere")

	ownAdmin := t.when("CreateClusterAdmin", empty(adminRole))
	suppliedAdmin := t.when("SuppliedClusterAdmin", awscdk.Fn_ConditionNot(empty(adminRole)))
	furtherRoles := t.when("FurtherRoles", awscdk.Fn_ConditionNot(empty(assumable)))
	chartInS3 := t.when("ChartInS3", awscdk.Fn_ConditionNot(empty(chart)))
	whose := vpcOf{own: t.when("OwnVpc", empty(vpc)), existing: t.when("ExistingVpc", awscdk.Fn_ConditionNot(empty(vpc)))}
	fargate := t.when("Fargate", awscdk.Fn_ConditionEquals(nodeType, jsii.String("FARGATE")))
	managed := t.when("Managed", awscdk.Fn_ConditionEquals(nodeType, jsii.String("MANAGED")))

	key := encryptionKey(t, "AuditKey", "alias/${Prefix}-${Name}-key", "Audit table of an EKS environment", awscdk.CfnDeletionPolicy_DELETE)
	// Without its key the secrets of a cluster, and of every backup of it, are lost.
	secrets := encryptionKey(t, "SecretsKey", "alias/eks/${Prefix}-${Name}-cluster-key-alias", "Kubernetes secrets of an EKS environment", awscdk.CfnDeletionPolicy_RETAIN_EXCEPT_ON_CREATE)
	table := auditTable(t, key)

	operations := t.role("OperationsRole", operationsRole(platform, whose))
	provisioning := t.role("ProvisioningRole", provisioningRole(pipeline, whose))
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
