package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// bootstrap is the stack that all environments of an account and region share and that outlives
// them: the CloudFormation service role that every other stack is made with, and the bucket that
// functions and layers are installed from.
//
// The service role belongs to no environment because CloudFormation goes on using it for a stack
// until the stack is gone; deleted with an environment, it would leave stacks that cannot be deleted.
func bootstrap(t *template) {
	t.describe("EKS environments: what all environments of this account and region share")
	platform := t.parameter("PlatformAccount", awscdk.CfnParameterProps{
		Description:    jsii.String("Account id of the platform account whose orchestrator makes the environments here"),
		AllowedPattern: jsii.String("[0-9]{12}"),
	}).ValueAsString()

	t.bounded()

	bucket := artifactBucket(t)
	service := t.role("ServiceRole", role{
		Name:        "EKS-ENV-CloudFormation-${AWS::Region}",
		Description: "What CloudFormation may do for the stacks of EKS environments",
		Trust: statement{
			Service: "cloudformation.amazonaws.com",
			// IfExists: whether CloudFormation states the account for the service role of a stack is
			// not documented, and PassRole already keeps other accounts out.
			Condition: map[string]map[string]any{
				"StringEqualsIfExists": {"aws:SourceAccount": "${AWS::AccountId}"},
			},
		},
	})
	service.SetManagedPolicyArns(servicePolicies(t))

	t.output("ServiceRoleArn", "The role that CloudFormation makes the environments' stacks with", service.AttrArn(), nil)
	t.output("ArtifactBucket", "The bucket with the code of functions and layers", bucket.Ref(), nil)
	t.output("PlatformAccount", "The platform account that this stack was made for", platform, nil)
}

// artifactBucket is versioned, so that a function can be set back to the code it had, and is
// deleted with the stack. CloudFormation deletes only an empty bucket: emptying it, versions
// included, is the documented first step of removing the bootstrap stack.
func artifactBucket(t *template) awss3.CfnBucket {
	bucket := awss3.NewCfnBucket(t.stack, jsii.String("ArtifactBucket"), &awss3.CfnBucketProps{
		BucketName: sub("eks-env-artifacts-${AWS::AccountId}-${AWS::Region}"),
		BucketEncryption: &awss3.CfnBucket_BucketEncryptionProperty{
			ServerSideEncryptionConfiguration: []any{&awss3.CfnBucket_ServerSideEncryptionRuleProperty{
				ServerSideEncryptionByDefault: &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{
					SseAlgorithm: jsii.String("AES256"),
				},
			}},
		},
		OwnershipControls: &awss3.CfnBucket_OwnershipControlsProperty{
			Rules: []any{&awss3.CfnBucket_OwnershipControlsRuleProperty{
				ObjectOwnership: jsii.String("BucketOwnerEnforced"),
			}},
		},
		PublicAccessBlockConfiguration: &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
			BlockPublicAcls:       jsii.Bool(true),
			BlockPublicPolicy:     jsii.Bool(true),
			IgnorePublicAcls:      jsii.Bool(true),
			RestrictPublicBuckets: jsii.Bool(true),
		},
		VersioningConfiguration: &awss3.CfnBucket_VersioningConfigurationProperty{Status: jsii.String("Enabled")},
		LifecycleConfiguration: &awss3.CfnBucket_LifecycleConfigurationProperty{
			Rules: []any{&awss3.CfnBucket_RuleProperty{
				Id:     jsii.String("expire-replaced-artifacts"),
				Status: jsii.String("Enabled"),
				NoncurrentVersionExpiration: &awss3.CfnBucket_NoncurrentVersionExpirationProperty{
					NoncurrentDays: jsii.Number(30),
				},
				AbortIncompleteMultipartUpload: &awss3.CfnBucket_AbortIncompleteMultipartUploadProperty{
					DaysAfterInitiation: jsii.Number(1),
				},
			}},
		},
	})
	bucket.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	awss3.NewCfnBucketPolicy(t.stack, jsii.String("ArtifactBucketPolicy"), &awss3.CfnBucketPolicyProps{
		Bucket: bucket.Ref(),
		PolicyDocument: document(statement{
			ID:        "TLSOnly",
			Deny:      true,
			AWS:       "*",
			Actions:   []string{"s3:*"},
			Resources: []string{"${ArtifactBucket.Arn}", "${ArtifactBucket.Arn}/*"},
			Condition: map[string]map[string]any{"Bool": {"aws:SecureTransport": "false"}},
		}),
	})
	return bucket
}
