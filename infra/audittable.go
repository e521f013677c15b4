package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// auditTable is where the Harmonix backend writes what it was asked for. The index is on
// createdDate, which Harmonix writes; its own template has it on currentDate, which nothing writes.
func auditTable(t *template, key awskms.CfnKey) awsdynamodb.CfnTable {
	attribute := func(name string) *awsdynamodb.CfnTable_AttributeDefinitionProperty {
		return &awsdynamodb.CfnTable_AttributeDefinitionProperty{AttributeName: &name, AttributeType: jsii.String("S")}
	}
	element := func(name, kind string) *awsdynamodb.CfnTable_KeySchemaProperty {
		return &awsdynamodb.CfnTable_KeySchemaProperty{AttributeName: &name, KeyType: &kind}
	}
	table := awsdynamodb.NewCfnTable(t.stack, jsii.String("AuditTable"), &awsdynamodb.CfnTableProps{
		TableName:            sub("${Prefix}-${Name}-audit"),
		BillingMode:          jsii.String("PAY_PER_REQUEST"),
		AttributeDefinitions: []any{attribute("id"), attribute("createdAt"), attribute("createdDate")},
		KeySchema:            []any{element("id", "HASH"), element("createdAt", "RANGE")},
		GlobalSecondaryIndexes: []any{&awsdynamodb.CfnTable_GlobalSecondaryIndexProperty{
			IndexName:  jsii.String("createdDateIdx"),
			KeySchema:  []any{element("createdDate", "HASH")},
			Projection: &awsdynamodb.CfnTable_ProjectionProperty{ProjectionType: jsii.String("ALL")},
		}},
		PointInTimeRecoverySpecification: &awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		SseSpecification: &awsdynamodb.CfnTable_SSESpecificationProperty{
			SseEnabled:     jsii.Bool(true),
			SseType:        jsii.String("KMS"),
			KmsMasterKeyId: key.AttrArn(),
		},
	})
	// As in Harmonix, and because a table that stays would be in the way of the next environment of
	// this name.
	table.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	table.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	return table
}

// tableActions is what the service role needs for the audit table; see also [keyActions].
func tableActions() []statement {
	return []statement{{
		ID: "AuditTable",
		Actions: []string{
			"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable",
			"dynamodb:DescribeContinuousBackups", "dynamodb:UpdateContinuousBackups",
			"dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive",
			"dynamodb:DescribeContributorInsights", "dynamodb:UpdateContributorInsights",
			"dynamodb:DescribeKinesisStreamingDestination", "dynamodb:GetResourcePolicy",
			"dynamodb:TagResource", "dynamodb:UntagResource", "dynamodb:ListTagsOfResource",
		},
		Resources: []string{
			"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*-audit",
			"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*-audit/index/*",
		},
	}}
}
