package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// deleteHook is the function that a provider stack's custom resource calls, shared by the environments
// of an account and region and outliving them: CloudFormation needs it in the stack's region, and no
// deletion of an environment may take it away under way (aws-traps.md, rows 2.4 and 2.5).
//
// It is a stack of its own beside the bootstrap stack, because its code lies in that stack's bucket,
// and so that it is made with the service role instead of further rights of the environment role.
func deleteHook(t *template) {
	t.describe("EKS environments: what removes an environment when its provider stack is deleted")
	bucket := t.text("ArtifactBucket", "Bucket with the function's code")
	key := t.text("FunctionKey", "Object with the function's code, named by its content")
	architecture := t.choice("Architecture", "Processor that the code is built for", "x86_64", "arm64")
	t.text("StarterRoleArn", "Role in the platform account that may start deletions")
	t.bounded()

	logs := t.logGroup("LogGroup", jsii.String("/aws/lambda/EKS-ENV-DeleteHook"), functionLogDays)
	role := t.role("DeleteHookRole", role{
		// The starter role's trust policy names it.
		Name:        "EKS-ENV-DeleteHook-${AWS::Region}",
		Description: "What the delete hook of EKS environments runs with",
		Trust:       statement{Service: "lambda.amazonaws.com"},
		Inline: map[string][]statement{"hook": {{
			ID:        "StartDeletions",
			Actions:   []string{"sts:AssumeRole"},
			Resources: []string{"${StarterRoleArn}"},
		}, {
			ID:        "HandOver",
			Actions:   []string{"lambda:InvokeFunction"},
			Resources: []string{"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:EKS-ENV-DeleteHook"},
		}, {
			ID:        "SeeWhoDeletes",
			Actions:   []string{"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"},
			Resources: []string{"arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/EKS-ENV-*"},
		}, {
			ID:        "WriteLog",
			Actions:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resources: []string{"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/EKS-ENV-DeleteHook:*"},
		}}},
	})
	function := awslambda.NewCfnFunction(t.stack, jsii.String("Function"), &awslambda.CfnFunctionProps{
		FunctionName:  jsii.String("EKS-ENV-DeleteHook"),
		Description:   jsii.String("Removes an environment when its provider stack is deleted"),
		Runtime:       jsii.String("provided.al2023"),
		Handler:       jsii.String("bootstrap"),
		Architectures: &[]*string{architecture},
		MemorySize:    jsii.Number(256),
		// Five invocations of eleven minutes stay within the hour that CloudFormation waits.
		Timeout:       jsii.Number(660),
		Role:          role.AttrArn(),
		Code:          &awslambda.CfnFunction_CodeProperty{S3Bucket: bucket, S3Key: key},
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: logs.Ref(), LogFormat: jsii.String("JSON")},
		// It invokes itself to wait longer than Lambda lets it.
		RecursiveLoop: jsii.String("Allow"),
	})
	// A failed invocation may be repeated: it joins the deletion that runs. An event that waited for an
	// hour is of no use any more.
	awslambda.NewCfnEventInvokeConfig(t.stack, jsii.String("EventInvokeConfig"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName:             function.Ref(),
		Qualifier:                jsii.String("$LATEST"),
		MaximumRetryAttempts:     jsii.Number(2),
		MaximumEventAgeInSeconds: jsii.Number(3600),
	})

	t.output("FunctionArn", "The function, without a version: what a provider stack's custom resource calls", function.AttrArn(), nil)
}

// deleteHookActions is what the service role needs for the delete hook's stack besides what it needs for
// the kubectl stacks, and what CloudFormation calls for the provider stacks' custom resource. The hook's role is no environment's,
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
