package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
)

// provider is the stack that Harmonix knows: its outputs are read by Harmonix' pipeline, its
// parameters by the backend and the application pipelines, and "Delete provider" deletes it (so it
// has no termination protection). Names, types and spelling are Harmonix'. A custom resource in it
// removes the environment when the stack is deleted.
func provider(t *template) {
	t.describe("EKS environment: what Harmonix reads")
	t.identify()
	t.text("UniqueId", "Short hash of account, region, prefix and name")
	nodeType := t.choice("NodeType", "What the pods run on", "FARGATE", "MANAGED")
	t.text("VpcId", "The VPC")
	t.text("PublicSubnetIds", "The public subnets, comma-separated")
	t.text("PrivateSubnetIds", "The private subnets, comma-separated")
	t.text("KeyArn", "The key of the audit table")
	t.text("AuditTable", "The name of the audit table")
	t.text("ClusterArn", "The cluster")
	t.text("OperationsRoleArn", "What the Harmonix backend assumes")
	t.text("ProvisioningRoleArn", "What application pipelines assume")
	t.text("ControlPlaneRoleArn", "The cluster's role")
	t.text("ClusterAdminRoleArn", "Who administers the cluster")
	t.text("KubectlRoleArn", "The kubectl function's role")
	t.text("KubectlFunctionArn", "The kubectl function, without a version")
	t.optional("PodExecutionRoleArn", "What Fargate pods are started with; empty with managed nodes")
	t.optional("NodeRoleArn", "The nodes' role; empty with Fargate")
	t.optional("FluentBitRoleArn", "What Fluent Bit assumes on managed nodes; empty with Fargate")
	t.deletion()
	fargate := t.when("Fargate", awscdk.Fn_ConditionEquals(nodeType, jsii.String("FARGATE")))
	managed := t.when("Managed", awscdk.Fn_ConditionEquals(nodeType, jsii.String("MANAGED")))

	hook := t.environmentHook()

	// add declares one parameter under /{prefix}/{name}/; value is as in Fn::Sub.
	add := func(id, name, value, description string, condition awscdk.CfnCondition) awsssm.CfnParameter {
		parameter := awsssm.NewCfnParameter(t.stack, &id, &awsssm.CfnParameterProps{
			Name:           sub("/${Prefix}/${Name}/" + name),
			Type:           jsii.String("String"),
			Value:          sub(value),
			Description:    &description,
			AllowedPattern: jsii.String(".*"),
		})
		onlyWhen(parameter, condition)
		// Not the two of Fargate: a dependency on what a condition leaves out is an error to cfn-lint (E3005).
		if condition == nil {
			hook.AddResourceDependency(parameter, jsii.String(
				"made last, the hook goes first: while it removes the environment, and where it cannot, the parameters are still there"))
		}
		return parameter
	}
	// roleName is the name of a role that is known by its ARN.
	roleName := func(parameter awsssm.CfnParameter, arn string) {
		parameter.SetValue(awscdk.Fn_Select(jsii.Number(1),
			awscdk.Fn_Split(jsii.String(":role/"), awscdk.Fn_Ref(&arn), nil)))
	}
	subnets := func(parameter awsssm.CfnParameter) { parameter.SetType(jsii.String("StringList")) }

	uniqueID := add("UniqueIdParameter", "unique-id", "${UniqueId}", "Identifies this environment", nil)
	vpc := add("VpcParameter", "vpc", "${VpcId}", "The VPC", nil)
	subnets(add("PublicSubnetsParameter", "vpc/public-subnets", "${PublicSubnetIds}", "The public subnets", nil))
	subnets(add("PrivateSubnetsParameter", "vpc/private-subnets", "${PrivateSubnetIds}", "The private subnets", nil))
	add("KeyParameter", "kms-key", "${KeyArn}", "The key of the audit table", nil)
	audit := add("AuditTableParameter", "${Name}-audit", "${AuditTable}", "The name of the audit table", nil)
	eks := add("ClusterParameter", "eks-cluster", "${ClusterArn}", "The cluster's ARN", nil)

	operations := add("OperationsRoleParameter", "operations-role", "-", "The name of the operations role", nil)
	roleName(operations, "OperationsRoleArn")
	operationsARN := add("OperationsRoleArnParameter", "operations-role-arn", "${OperationsRoleArn}", "The operations role", nil)
	roleName(add("ProvisioningRoleParameter", "provisioning-role", "-", "The name of the provisioning role", nil), "ProvisioningRoleArn")
	provisioningARN := add("ProvisioningRoleArnParameter", "provisioning-role-arn", "${ProvisioningRoleArn}", "The provisioning role", nil)
	controlPlane := add("ControlPlaneRoleParameter", "eks-control-plane-role", "-", "The name of the cluster's role", nil)
	roleName(controlPlane, "ControlPlaneRoleArn")
	controlPlaneARN := add("ControlPlaneRoleArnParameter", "eks-control-plane-role-arn", "${ControlPlaneRoleArn}", "The cluster's role", nil)
	roleName(add("ClusterAdminRoleParameter", "cluster-admin-role", "-", "The name of the role that administers the cluster", nil), "ClusterAdminRoleArn")
	adminARN := add("ClusterAdminRoleArnParameter", "cluster-admin-role-arn", "${ClusterAdminRoleArn}", "The role that administers the cluster", nil)
	kubectlARN := add("KubectlRoleArnParameter", "kubectl-lambda-role-arn", "${KubectlRoleArn}", "The kubectl function's role", nil)
	pod := add("PodExecutionRoleParameter", "pod-execution-role", "-", "The name of the role that Fargate pods are started with", fargate)
	roleName(pod, "PodExecutionRoleArn")
	podARN := add("PodExecutionRoleArnParameter", "pod-execution-role-arn", "${PodExecutionRoleArn}", "The role that Fargate pods are started with", fargate)

	value := func(name, text, description string, condition awscdk.CfnCondition) {
		t.output(name, description, sub(text), condition)
	}
	nameOf := func(name string, parameter awsssm.CfnParameter, condition awscdk.CfnCondition) {
		described := strings.TrimSuffix(*parameter.Description(), ".")
		t.output(name, "Name of the SSM parameter with: "+described, parameter.Ref(), condition)
	}
	value("EnvironmentName", "${Name}", "The environment's name", nil)
	value("StackName", "${AWS::StackName}", "The stack whose deletion removes the environment", nil)
	value("ProvisioningRoleDirectARN", "${ProvisioningRoleArn}", "The provisioning role", nil)
	value("ClusterAdminRoleDirectARN", "${ClusterAdminRoleArn}", "The role that administers the cluster", nil)
	value("KubectlLambdaRoleDirectARN", "${KubectlRoleArn}", "The kubectl function's role", nil)
	// Harmonix' pipeline looks the function up in the nested stacks of the CDK; here it is an output.
	value("KubectlLambdaArn", "${KubectlFunctionArn}", "The kubectl function", nil)
	value("FluentBitRoleARN", "${FluentBitRoleArn}", "What Fluent Bit assumes", managed)
	value("NodeRoleArn", "${NodeRoleArn}", "The nodes' role", managed)
	nameOf("EnvironmentID", uniqueID, nil)
	nameOf("VPC", vpc, nil)
	nameOf("ClusterName", eks, nil)
	nameOf("AuditTable", audit, nil)
	nameOf("OperationsRoleARN", operationsARN, nil)
	nameOf("OperationsRoleParam", operations, nil)
	nameOf("OperationsRoleArnParam", operationsARN, nil)
	nameOf("ProvisioningRoleARN", provisioningARN, nil)
	nameOf("ClusterAdminRoleARN", adminARN, nil)
	nameOf("KubectlLambdaRoleARN", kubectlARN, nil)
	nameOf("ContolPlaneRoleParam", controlPlane, nil) // spelled as in Harmonix
	nameOf("ControlPlaneRoleArnParam", controlPlaneARN, nil)
	nameOf("PodExecutionRoleParam", pod, fargate)
	nameOf("PodExecutionRoleArnParam", podARN, fargate)
}

// deletion declares the parameters of the custom resource.
func (t *template) deletion() {
	t.text("DeleteHookArn", "The function that removes the environment, in this account and region, without a version")
	t.text("StarterRoleArn", "Role in the platform account that may start deletions")
	t.text("StateMachineArn", "The orchestrator's state machine")
	t.text("Request", "The request that removes the environment, without its externalId")
	t.parameter("ExternalId", awscdk.CfnParameterProps{
		Description: jsii.String("What the environment role asks for"),
		Default:     "",
		NoEcho:      jsii.Bool(true),
	})
	t.text("Revision", "Hash of what the hook is told: CloudFormation does not show the externalId, and would not see it change")
}

// environmentHook declares the custom resource that stands for the environment: deleted, it removes it.
func (t *template) environmentHook() awscdk.CfnResource {
	return awscdk.NewCfnResource(t.stack, jsii.String("Environment"), &awscdk.CfnResourceProps{
		Type: jsii.String("Custom::EKSEnvironment"),
		Properties: &map[string]any{
			// Without a version: by an alias, what the function's settings say of repetitions would not
			// hold (aws-traps.md, row 2.9).
			"ServiceToken":    sub("${DeleteHookArn}"),
			"StarterRoleArn":  sub("${StarterRoleArn}"),
			"StateMachineArn": sub("${StateMachineArn}"),
			"Request":         sub("${Request}"),
			"ExternalId":      sub("${ExternalId}"),
			"Revision":        sub("${Revision}"),
		},
	})
}
