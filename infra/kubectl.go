package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// functionLogDays is how long the logs of functions are kept in a target account.
const functionLogDays = 60

// kubectl is an environment's own copy of the kubectl function, inside its VPC. It does not refer
// to the cluster, so both are made at the same time.
func kubectl(t *template) {
	t.describe("EKS environment: the kubectl function")
	t.identify()
	bucket := t.text("ArtifactBucket", "Bucket with the code of function and layer")
	functionKey := t.text("FunctionKey", "Object with the function's code, named by its content")
	layerKey := t.text("LayerKey", "Object with the kubectl layer, named by its content")
	minor := t.text("LayerVersion", "Kubernetes minor version of the layer's kubectl, such as 1.36")
	architecture := t.choice("Architecture", "Processor that code and layer are built for", "x86_64", "arm64")
	roleARN := t.text("RoleArn", "ARN of the function's role")
	subnets := t.list("SubnetIds", "The private subnets")
	group := t.text("SecurityGroupId", "The function's security group")
	assumable := t.optional("AssumableRoles", "ARN patterns of the roles that a caller may name, comma-separated; empty: what the function's role permits")

	// Declared here so that it has a retention and goes with the function.
	logs := t.logGroup("LogGroup", sub("/aws/lambda/EKS-ENV-${Prefix}-${Name}-kubectl"), functionLogDays)
	layer := awslambda.NewCfnLayerVersion(t.stack, jsii.String("Layer"), &awslambda.CfnLayerVersionProps{
		LayerName:               sub("EKS-ENV-${Prefix}-${Name}-kubectl-kubectl"),
		Description:             sub("kubectl ${LayerVersion}"),
		CompatibleRuntimes:      jsii.Strings("provided.al2023"),
		CompatibleArchitectures: &[]*string{architecture},
		Content:                 &awslambda.CfnLayerVersion_ContentProperty{S3Bucket: bucket, S3Key: layerKey},
	})
	function := awslambda.NewCfnFunction(t.stack, jsii.String("Function"), &awslambda.CfnFunctionProps{
		FunctionName:  sub("EKS-ENV-${Prefix}-${Name}-kubectl"),
		Description:   sub("Kubernetes operations in ${Prefix}-${Name}-cluster"),
		Runtime:       jsii.String("provided.al2023"),
		Handler:       jsii.String("bootstrap"),
		Architectures: &[]*string{architecture},
		MemorySize:    jsii.Number(1024),
		Timeout:       jsii.Number(900),
		Role:          roleARN,
		Code:          &awslambda.CfnFunction_CodeProperty{S3Bucket: bucket, S3Key: functionKey},
		Layers:        &[]any{layer.Ref()},
		VpcConfig: &awslambda.CfnFunction_VpcConfigProperty{
			SubnetIds:        subnets,
			SecurityGroupIds: &[]*string{group},
		},
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: logs.Ref()},
		Environment: &awslambda.CfnFunction_EnvironmentProperty{Variables: map[string]*string{
			// As the function's role permits, so that a request for another role is answered with a
			// reason and not with AccessDenied.
			"ASSUMABLE_ROLES": assumable,
			// The function runs no other kubectl for a caller.
			"KUBECTL_MINOR": minor,
		}},
	})
	// CloudFormation calls a custom resource's function asynchronously; a second try of a failed
	// request would answer a request that CloudFormation has given up.
	awslambda.NewCfnEventInvokeConfig(t.stack, jsii.String("EventInvokeConfig"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName:         function.Ref(),
		Qualifier:            jsii.String("$LATEST"),
		MaximumRetryAttempts: jsii.Number(0),
	})

	t.output("FunctionArn", "The function, without a version", function.AttrArn(), nil)
	t.output("LayerVersionArn", "The layer with kubectl", layer.Ref(), nil)
}

// functionActions is what the service role needs for the kubectl stack.
func functionActions() []statement {
	return []statement{{
		ID: "Functions",
		Actions: []string{
			"lambda:CreateFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:DeleteFunction",
			"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
			"lambda:GetFunctionCodeSigningConfig", "lambda:GetRuntimeManagementConfig", "lambda:GetFunctionScalingConfig",
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
		Actions:   []string{"logs:DescribeLogGroups", "logs:GetDataProtectionPolicy"},
		Resources: []string{"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*"},
	}, {
		// CloudFormation reads them with every log group, and IAM knows no resource of theirs.
		ID:        "ReadLogPolicies",
		Actions:   []string{"logs:DescribeIndexPolicies", "logs:DescribeResourcePolicies"},
		Resources: []string{"*"},
	}}
}
