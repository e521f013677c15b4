package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
)

// entry is one SSM parameter under /{prefix}/{name}/.
type entry struct {
	id, name string
	// from is the parameter of the template whose value it has, in the form that as says.
	from, description string
	as                form
	when              awscdk.CfnCondition
}

// form is how an entry shows a value.
type form int

const (
	// text is the value as it is.
	text form = iota
	// list is the value as a list.
	list
	// roleName is the name of the role whose ARN, without a path, the value is.
	roleName
)

// catalog is the entries that Harmonix reads.
func catalog(fargate awscdk.CfnCondition) []entry {
	return []entry{
		{id: "UniqueIdParameter", name: "unique-id", from: "UniqueId", description: "Identifies this environment"},
		{id: "VpcParameter", name: "vpc", from: "VpcId", description: "The VPC"},
		{id: "PublicSubnetsParameter", name: "vpc/public-subnets", from: "PublicSubnetIds", description: "The public subnets", as: list},
		{id: "PrivateSubnetsParameter", name: "vpc/private-subnets", from: "PrivateSubnetIds", description: "The private subnets", as: list},
		{id: "KeyParameter", name: "kms-key", from: "KeyArn", description: "The key of the audit table"},
		{id: "AuditTableParameter", name: "${Name}-audit", from: "AuditTable", description: "The name of the audit table"},
		{id: "ClusterParameter", name: "eks-cluster", from: "ClusterArn", description: "The cluster's ARN"},
		{id: "OperationsRoleParameter", name: "operations-role", from: "OperationsRoleArn", description: "The name of the operations role", as: roleName},
		{id: "OperationsRoleArnParameter", name: "operations-role-arn", from: "OperationsRoleArn", description: "The operations role"},
		{id: "ProvisioningRoleParameter", name: "provisioning-role", from: "ProvisioningRoleArn", description: "The name of the provisioning role", as: roleName},
		{id: "ProvisioningRoleArnParameter", name: "provisioning-role-arn", from: "ProvisioningRoleArn", description: "The provisioning role"},
		{id: "ControlPlaneRoleParameter", name: "eks-control-plane-role", from: "ControlPlaneRoleArn", description: "The name of the cluster's role", as: roleName},
		{id: "ControlPlaneRoleArnParameter", name: "eks-control-plane-role-arn", from: "ControlPlaneRoleArn", description: "The cluster's role"},
		{id: "ClusterAdminRoleParameter", name: "cluster-admin-role", from: "ClusterAdminRoleName", description: "The name of the role that administers the cluster"},
		{id: "ClusterAdminRoleArnParameter", name: "cluster-admin-role-arn", from: "ClusterAdminRoleArn", description: "The role that administers the cluster"},
		{id: "KubectlRoleArnParameter", name: "kubectl-lambda-role-arn", from: "KubectlRoleArn", description: "The kubectl function's role"},
		{id: "PodExecutionRoleParameter", name: "pod-execution-role", from: "PodExecutionRoleArn", description: "The name of the role that Fargate pods are started with", as: roleName, when: fargate},
		{id: "PodExecutionRoleArnParameter", name: "pod-execution-role-arn", from: "PodExecutionRoleArn", description: "The role that Fargate pods are started with", when: fargate},
	}
}

// entry declares the entry and returns it.
func (t *template) entry(e entry) awsssm.CfnParameter {
	value, kind := awscdk.Fn_Ref(&e.from), "String"
	switch e.as {
	case text:
	case list:
		kind = "StringList"
	case roleName:
		value = awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String(":role/"), value, nil))
	}
	parameter := awsssm.NewCfnParameter(t.stack, &e.id, &awsssm.CfnParameterProps{
		Name:           sub("/${Prefix}/${Name}/" + e.name),
		Type:           &kind,
		Value:          value,
		Description:    &e.description,
		AllowedPattern: jsii.String(".*"),
	})
	onlyWhen(parameter, e.when)
	return parameter
}

// valueOutputs declares the outputs that Harmonix reads as they are.
func (t *template) valueOutputs(managed awscdk.CfnCondition) {
	for _, o := range []struct {
		name, from, description string
		when                    awscdk.CfnCondition
	}{
		{"EnvironmentName", "Name", "The environment's name", nil},
		{"StackName", "AWS::StackName", "The stack whose deletion removes the environment", nil},
		{"ProvisioningRoleDirectARN", "ProvisioningRoleArn", "The provisioning role", nil},
		{"ClusterAdminRoleDirectARN", "ClusterAdminRoleArn", "The role that administers the cluster", nil},
		{"KubectlLambdaRoleDirectARN", "KubectlRoleArn", "The kubectl function's role", nil},
		// Harmonix' pipeline looks the function up in the nested stacks of the CDK; here it is an output.
		{"KubectlLambdaArn", "KubectlFunctionArn", "The kubectl function", nil},
		{"FluentBitRoleARN", "FluentBitRoleArn", "What Fluent Bit assumes", managed},
		{"NodeRoleArn", "NodeRoleArn", "The nodes' role", managed},
	} {
		t.output(o.name, o.description, awscdk.Fn_Ref(&o.from), o.when)
	}
}

// nameOutput is an output with the name of an entry, which Harmonix then reads.
type nameOutput struct{ name, entry string }

func nameOutputs() []nameOutput {
	return []nameOutput{
		{"EnvironmentID", "unique-id"},
		{"VPC", "vpc"},
		{"ClusterName", "eks-cluster"},
		{"AuditTable", "${Name}-audit"},
		{"OperationsRoleARN", "operations-role-arn"},
		{"OperationsRoleParam", "operations-role"},
		{"OperationsRoleArnParam", "operations-role-arn"},
		{"ProvisioningRoleARN", "provisioning-role-arn"},
		{"ClusterAdminRoleARN", "cluster-admin-role-arn"},
		{"KubectlLambdaRoleARN", "kubectl-lambda-role-arn"},
		{"ContolPlaneRoleParam", "eks-control-plane-role"}, // spelled as in Harmonix
		{"ControlPlaneRoleArnParam", "eks-control-plane-role-arn"},
		{"PodExecutionRoleParam", "pod-execution-role"},
		{"PodExecutionRoleArnParam", "pod-execution-role-arn"},
	}
}
