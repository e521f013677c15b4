"""Policies of AWS that MiniStack does not hold: attached without a document, they would grant nothing.

The documents are those of the AWS Managed Policy Reference Guide, cut to the actions of services that run here.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

import json

from ministack.services import iam

_READ_ECR = [
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:GetRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:ListImages",
    "ecr:DescribeImages",
    "ecr:BatchGetImage",
]

POLICIES = {
    "AmazonSSMReadOnlyAccess": ["ssm:Describe*", "ssm:Get*", "ssm:List*"],
    "AmazonEC2ContainerRegistryFullAccess": ["ecr:*", "cloudtrail:LookupEvents"],
    "AmazonEC2ContainerRegistryReadOnly": _READ_ECR,
    "CloudWatchFullAccess": ["autoscaling:Describe*", "cloudwatch:*", "logs:*", "sns:*", "iam:GetPolicy*", "iam:GetRole"],
    "AmazonEKSFargatePodExecutionRolePolicy": [
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
    ],
}


def install() -> None:
    """Add the policies to those that MiniStack holds."""
    for name, actions in POLICIES.items():
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        arn = f"{iam._AWS_MANAGED_POLICY_PREFIX}{name}"
        if arn not in iam._aws_managed_policies:
            iam._aws_managed_policies[arn] = iam._make_aws_managed_record(name, json.dumps(document), name)
