package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// keysARN is every key of the account in the region: a key's id is not known beforehand.
const keysARN = "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"

// keyActions is what the service role needs for the keys of the identity stack.
func keyActions() []statement {
	return []statement{{
		ID:        "CreateKeys",
		Actions:   []string{"kms:CreateKey"},
		Resources: []string{"*"}, // a key has no name before it exists
		Condition: madeTagged(),
	}, {
		ID:        "TagKeys",
		Actions:   []string{"kms:TagResource"}, // part of making a key with tags
		Resources: []string{keysARN},
		Condition: madeTagged(),
	}, {
		ID: "Keys",
		Actions: []string{
			"kms:PutKeyPolicy", "kms:DisableKeyRotation", "kms:EnableKey", "kms:DisableKey",
			"kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
			"kms:UpdateAlias", "kms:DeleteAlias", // these want the key and the alias, as CreateAlias does
		},
		Resources: []string{keysARN},
		Condition: tagged(),
	}, {
		ID:      "Aliases",
		Actions: []string{"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"},
		// An alias has no tags, but there is none without a key.
		Resources: []string{
			"arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:alias/*-key",
			"arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:alias/eks/*-cluster-key-alias",
		},
	}, {
		ID: "ReadKeys",
		Actions: []string{
			"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags",
			// Called in the moment in which a key comes into being, when KMS may not know its tags yet, which
			// takes it up to five minutes:
			// https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html
			"kms:EnableKeyRotation", "kms:CreateAlias",
		},
		Resources: []string{keysARN},
	}, {
		ID:        "ListAliases",
		Actions:   []string{"kms:ListAliases"},
		Resources: []string{"*"}, // has no resource-level permissions
	}, {
		ID: "UseKeys",
		// DynamoDB encrypts, and makes its grant, with the permissions of whoever makes the table: seconds after
		// the key, so that its tags cannot be asked for.
		Actions: []string{
			"kms:CreateGrant", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
		},
		Resources: []string{keysARN},
		Condition: map[string]map[string]any{"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}},
	}, {
		ID: "GrantSecretsKey",
		// EKS makes its grant on the secrets key with the permissions of whoever makes the cluster.
		Actions:   []string{"kms:CreateGrant"},
		Resources: []string{keysARN},
		Condition: tagged(),
	}, {
		ID: "GrantNewSecretsKey",
		// The same where KMS does not know the key's tags yet.
		Actions:   []string{"kms:CreateGrant"},
		Resources: []string{keysARN},
		Condition: map[string]map[string]any{"Bool": {"kms:GrantIsForAWSResource": "true"}},
	}}
}

// encryptionKey declares a key that the account administers, and its alias.
func encryptionKey(t *template, id, alias, description string, policy awscdk.CfnDeletionPolicy) awskms.CfnKey {
	key := awskms.NewCfnKey(t.stack, &id, &awskms.CfnKeyProps{
		Description:         &description,
		EnableKeyRotation:   jsii.Bool(true),
		PendingWindowInDays: jsii.Number(8), // as in Harmonix
		// KMS makes no key whose maker could not change its policy, and may not know the tags by which the
		// service role is allowed to. The account's root can change it.
		BypassPolicyLockoutSafetyCheck: jsii.Bool(true),
		KeyPolicy: document(statement{
			ID:        "Account",
			AWS:       sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root"),
			Actions:   []string{"kms:*"},
			Resources: []string{"*"}, // in a key policy: this key
		}),
	})
	key.CfnOptions().SetDeletionPolicy(policy)
	key.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	awskms.NewCfnAlias(t.stack, jsii.String(id+"Alias"), &awskms.CfnAliasProps{
		AliasName:   sub(alias),
		TargetKeyId: key.Ref(),
	})
	return key
}
