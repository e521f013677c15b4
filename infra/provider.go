package main

import (
	"slices"

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
	nodeType := t.environment()
	t.deletion()
	fargate := t.when("Fargate", awscdk.Fn_ConditionEquals(nodeType, jsii.String("FARGATE")))
	managed := t.when("Managed", awscdk.Fn_ConditionEquals(nodeType, jsii.String("MANAGED")))

	hook := t.environmentHook()
	entries := catalog(fargate)
	parameters := make(map[string]awsssm.CfnParameter, len(entries))
	for _, e := range entries {
		parameter := t.entry(e)
		parameters[e.name] = parameter
		// Not the two of Fargate: a dependency on what a condition leaves out is an error to cfn-lint (E3005).
		if e.when == nil {
			hook.AddResourceDependency(parameter, jsii.String(
				"made last, the hook goes first: while it removes the environment, and where it cannot, the parameters are still there"))
		}
	}

	t.valueOutputs(managed)
	for _, o := range nameOutputs() {
		e := entries[slices.IndexFunc(entries, func(e entry) bool { return e.name == o.entry })]
		t.output(o.name, "Name of the SSM parameter with: "+e.description, parameters[o.entry].Ref(), e.when)
	}
}

// environment declares the parameters that say what the environment consists of, and returns what its
// pods run on.
func (t *template) environment() (nodeType *string) {
	t.text("UniqueId", "Short hash of account, region, prefix and name")
	nodeType = t.choice("NodeType", "What the pods run on", "FARGATE", "MANAGED")
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
	t.text("ClusterAdminRoleName", "The name of that role, which may have a path")
	t.text("KubectlRoleArn", "The kubectl function's role")
	t.text("KubectlFunctionArn", "The kubectl function, without a version")
	t.optional("PodExecutionRoleArn", "What Fargate pods are started with; empty with managed nodes")
	t.optional("NodeRoleArn", "The nodes' role; empty with Fargate")
	t.optional("FluentBitRoleArn", "What Fluent Bit assumes on managed nodes; empty with Fargate")
	return nodeType
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

// providerActions is what the service role needs for the provider stack. Its parameters lie under /{prefix}/{name}/,
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
