package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseks"
	"github.com/aws/jsii-runtime-go"
)

// capacityManaged is a managed node group and its launch template.
//
// The node group has no name of its own: its role, subnets and image type are create-only, and a
// replacement under a fixed name would collide with what it replaces (aws-traps.md, row 1.23). What
// can be a property of the launch template is one, so that a change of it rolls through the nodes
// instead of replacing the group.
func capacityManaged(t *template) {
	t.describe("EKS environment: a managed node group")
	t.identify()
	roleARN := t.text("NodeRoleArn", "ARN of the nodes' role")
	subnets := t.list("SubnetIds", "The private subnets")
	instanceType := t.text("InstanceType", "EC2 instance type of the nodes")
	amiType := t.text("AmiType", "Operating system and processor of the nodes")
	version := t.text("KubernetesVersion", "Kubernetes minor version of the nodes, at most the cluster's")
	t.choice("DiskDevice", "The device that images and containers lie on: /dev/xvdb with Bottlerocket, which keeps its system apart", rootDevice, dataDevice)
	diskSize := t.number("DiskSize", "Size of that device in GiB")
	minSize := t.number("MinSize", "Smallest number of nodes")
	desired := t.number("DesiredSize", "Number of nodes: the requested one at the start, the live one in every update")
	maxSize := t.number("MaxSize", "Largest number of nodes")

	launch := launchTemplate(t, instanceType, diskSize)
	group := awseks.NewCfnNodegroup(t.stack, jsii.String("NodeGroup"), &awseks.CfnNodegroupProps{
		ClusterName:  sub("${Prefix}-${Name}-cluster"),
		NodeRole:     roleARN,
		Subnets:      elements(subnets),
		AmiType:      amiType,
		CapacityType: jsii.String("ON_DEMAND"),
		Version:      version,
		ScalingConfig: &awseks.CfnNodegroup_ScalingConfigProperty{
			MinSize: minSize, DesiredSize: desired, MaxSize: maxSize,
		},
		UpdateConfig: &awseks.CfnNodegroup_UpdateConfigProperty{MaxUnavailable: jsii.Number(1)},
		LaunchTemplate: &awseks.CfnNodegroup_LaunchTemplateSpecificationProperty{
			Id: launch.Ref(),
			// By number: "$Latest" is the same text after every change, and so never a change (row 1.25).
			Version: launch.AttrLatestVersionNumber(),
		},
	})
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
				// Two, as in Harmonix: the second hop is from the node to a pod's own network.
				HttpPutResponseHopLimit: jsii.Number(2),
			},
			TagSpecifications: []any{instanceTags("instance"), instanceTags("volume")},
		},
	})
}

// instanceTags marks what the node group starts: tags of a stack or node group do not reach it.
func instanceTags(kind string) *awsec2.CfnLaunchTemplate_TagSpecificationProperty {
	tags := append(*named("${Prefix}-${Name}-node"), &awscdk.CfnTag{Key: jsii.String("eks-environment"), Value: sub("${Prefix}-${Name}")})
	return &awsec2.CfnLaunchTemplate_TagSpecificationProperty{ResourceType: &kind, Tags: &tags}
}

// capacityFargate is the Fargate profile of an environment, one with Harmonix' three selectors: a
// cluster makes and deletes one profile at a time (aws-traps.md, row 1.34), so that three of them
// would take three times as long and select the same pods. It has no name of its own because
// everything but its tags is create-only, as with a node group.
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
