package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseks"
	"github.com/aws/jsii-runtime-go"
)

// capacityManaged is a managed node group and its launch template.
//
// The node group has no name of its own: its role, subnets, image type, capacity type and list of
// instance types are create-only, and a replacement under a fixed name would collide with what it
// replaces (aws-traps.md, row 1.23). What can be a property of the launch template is one, so that a
// change of it rolls through the nodes instead of replacing the group; several instance types cannot.
//
// The Capacity stage writes what no parameter carries into the template: labels, taints, and the
// request's tags.
func capacityManaged(t *template) {
	t.describe("EKS environment: a managed node group")
	t.identify()
	roleARN := t.text("NodeRoleArn", "ARN of the nodes' role")
	subnets := t.list("SubnetIds", "The private subnets")
	instanceType := t.optional("InstanceType", "EC2 instance type of the nodes; empty: there are several")
	instanceTypes := t.optional("InstanceTypes", "EC2 instance types of the nodes, comma-separated; empty: there is one")
	amiType := t.text("AmiType", "Operating system and processor of the nodes")
	capacityType := t.choice("CapacityType", "On-demand or spot instances", "ON_DEMAND", "SPOT")
	version := t.text("KubernetesVersion", "Kubernetes minor version of the nodes, at most the cluster's")
	t.choice("DiskDevice", "The device that images and containers lie on: /dev/xvdb with Bottlerocket, which keeps its system apart", rootDevice, dataDevice)
	diskSize := t.number("DiskSize", "Size of that device in GiB")
	minSize := t.number("MinSize", "Smallest number of nodes")
	desired := t.number("DesiredSize", "Number of nodes: the requested one at the start, the live one in every update")
	maxSize := t.number("MaxSize", "Largest number of nodes")
	number := t.optional("MaxUnavailable", "How many nodes may be missing during an update; empty: a percentage of them may")
	// Its default is what holds where neither is given, since EKS takes one of the two.
	percentage := t.parameter("MaxUnavailablePercentage", awscdk.CfnParameterProps{
		Description: jsii.String("Which percentage of the nodes may be missing during an update; empty: a number of them may"),
		Default:     "33",
	}).ValueAsString()
	one := t.when("OneInstanceType", awscdk.Fn_ConditionNot(empty(instanceType)))
	byNumber := t.when("UnavailableByNumber", awscdk.Fn_ConditionNot(empty(number)))

	launch := launchTemplate(t, either(one, instanceType, awscdk.Aws_NO_VALUE()), diskSize)
	group := awseks.NewCfnNodegroup(t.stack, jsii.String("NodeGroup"), &awseks.CfnNodegroupProps{
		ClusterName:  sub("${Prefix}-${Name}-cluster"),
		NodeRole:     roleARN,
		Subnets:      elements(subnets),
		AmiType:      amiType,
		CapacityType: capacityType,
		Version:      version,
		ScalingConfig: &awseks.CfnNodegroup_ScalingConfigProperty{
			MinSize: minSize, DesiredSize: desired, MaxSize: maxSize,
		},
		LaunchTemplate: &awseks.CfnNodegroup_LaunchTemplateSpecificationProperty{
			Id: launch.Ref(),
			// By number: "$Latest" is the same text after every change, and so never a change (row 1.25).
			Version: launch.AttrLatestVersionNumber(),
		},
	})
	group.AddPropertyOverride(jsii.String("UpdateConfig"), map[string]any{
		"MaxUnavailable":           awscdk.Fn_ConditionIf(byNumber.LogicalId(), number, awscdk.Aws_NO_VALUE()),
		"MaxUnavailablePercentage": awscdk.Fn_ConditionIf(byNumber.LogicalId(), awscdk.Aws_NO_VALUE(), percentage),
	})
	// In one place only: beside the launch template's EKS refuses them (aws-traps.md, row 1.26).
	group.AddPropertyOverride(jsii.String("InstanceTypes"), awscdk.Fn_ConditionIf(one.LogicalId(), awscdk.Aws_NO_VALUE(), awscdk.Fn_Split(jsii.String(","), instanceTypes, nil)))
	t.output("NodeGroupArn", "The node group", group.AttrArn(), nil)
	t.output("LaunchTemplateId", "The launch template of its nodes", launch.Ref(), nil)
}

// The devices of the AMIs of EKS.
const (
	rootDevice = "/dev/xvda"
	// dataDevice is where Bottlerocket keeps images, containers and logs; its root is two GiB and read-only.
	dataDevice = "/dev/xvdb"
)

// launchTemplate declares how nodes are started. It names neither security groups, or EKS would not
// add the cluster's and no node could join (aws-traps.md, row 1.27), nor an image, which is the node
// group's AmiType.
func launchTemplate(t *template, instanceType *string, diskSize *float64) awsec2.CfnLaunchTemplate {
	apart := t.when("DataApart", awscdk.Fn_ConditionEquals(sub("${DiskDevice}"), jsii.String(dataDevice)))
	return awsec2.NewCfnLaunchTemplate(t.stack, jsii.String("LaunchTemplate"), &awsec2.CfnLaunchTemplateProps{
		LaunchTemplateData: &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
			InstanceType: instanceType,
			BlockDeviceMappings: []any{
				map[string]any{
					"deviceName": sub("${DiskDevice}"),
					"ebs":        map[string]any{"volumeSize": diskSize, "volumeType": "gp3", "encrypted": true, "deleteOnTermination": true},
				},
				awscdk.Fn_ConditionIf(apart.LogicalId(), map[string]any{
					"DeviceName": rootDevice,
					// Of the size of the image's snapshot.
					"Ebs": map[string]any{"VolumeType": "gp3", "Encrypted": true, "DeleteOnTermination": true},
				}, awscdk.Aws_NO_VALUE()),
			},
			MetadataOptions: &awsec2.CfnLaunchTemplate_MetadataOptionsProperty{
				HttpEndpoint: jsii.String("enabled"),
				HttpTokens:   jsii.String("required"),
				// Two, as in Harmonix: the second hop is from the node to a pod's own network. What the
				// provider installs is told its region and VPC and has roles of its own, so it could do with
				// one; applications that ask the instance for its region could not (aws-traps.md, row 5.14).
				HttpPutResponseHopLimit: jsii.Number(2),
				// What is not said here is the account's default. With tags in the metadata EC2 takes no keys with a
				// slash, as Kubernetes' and EKS' own have (https://github.com/aws/karpenter-provider-aws/pull/7012).
				InstanceMetadataTags: jsii.String("disabled"),
			},
			TagSpecifications: []any{instanceTags("instance"), instanceTags("volume"), instanceTags("network-interface")},
		},
	})
}

// instanceTags marks what the node group starts: tags of a stack or node group do not reach it. The
// Capacity stage adds the request's.
func instanceTags(kind string) *awsec2.CfnLaunchTemplate_TagSpecificationProperty {
	tags := append(*named("${Prefix}-${Name}-node"), &awscdk.CfnTag{Key: jsii.String("eks-environment"), Value: sub("${Prefix}-${Name}")})
	return &awsec2.CfnLaunchTemplate_TagSpecificationProperty{ResourceType: &kind, Tags: &tags}
}

// capacityFargate is the Fargate profile of an environment, one for all selectors: a cluster makes and
// deletes one profile at a time (aws-traps.md, row 1.34), so that three of them would take three times
// as long and select the same pods. It has no name of its own because everything but its tags is
// create-only, as with a node group. The selectors here are Harmonix'; the Capacity stage writes
// others of a request in their place.
func capacityFargate(t *template) {
	t.describe("EKS environment: a Fargate profile")
	t.identify()
	roleARN := t.text("PodExecutionRoleArn", "ARN of the role that pods are started with")
	subnets := t.list("SubnetIds", "The private subnets")
	var selectors []any
	for _, namespace := range []string{"kube-system", "default", "*"} {
		selectors = append(selectors, &awseks.CfnFargateProfile_SelectorProperty{Namespace: jsii.String(namespace)})
	}
	profile := awseks.NewCfnFargateProfile(t.stack, jsii.String("Profile"), &awseks.CfnFargateProfileProps{
		ClusterName:         sub("${Prefix}-${Name}-cluster"),
		PodExecutionRoleArn: roleARN,
		Subnets:             subnets,
		Selectors:           selectors,
	})
	t.output("ProfileArn", "The Fargate profile", profile.AttrArn(), nil)
}

// capacityActions is what the service role needs for the capacity stack. EKS asks whether the caller could start the
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
