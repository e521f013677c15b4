package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

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
