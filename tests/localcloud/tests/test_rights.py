"""Rights beyond the caller's own actions: passing roles, and roles that services can assume."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import functions
import pytest
from conftest import Cloud, role, until

TEMPLATE = json.dumps({"Resources": {"Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}}})


def limited(cloud: Cloud, name: str, statements: list[dict[str, Any]]) -> dict[str, str]:
    """Keys of a user with these rights."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_service_role_of_a_stack(cloud: Cloud) -> None:
    roles = {"Good": role("cloudformation.amazonaws.com", RoleName="cfn"), "Other": role("lambda.amazonaws.com", RoleName="not-cfn")}
    cloud.deploy("service-roles", roles)
    base = "arn:aws:iam::111111111111:role/"
    stacks = cloud.client("cloudformation")
    for name in ("not-cfn", "absent"):
        with pytest.raises(botocore.exceptions.ClientError, match="is invalid or cannot be assumed"):
            stacks.create_stack(StackName="s", TemplateBody=TEMPLATE, RoleARN=base + name)
    rights = [{"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}]
    without = cloud.client("cloudformation", **limited(cloud, "without-pass-role", rights))
    with pytest.raises(botocore.exceptions.ClientError, match="iam:PassRole"):
        without.create_stack(StackName="s", TemplateBody=TEMPLATE, RoleARN=f"{base}cfn")
    condition = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    rights.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": f"{base}cfn", "Condition": condition})
    passing = cloud.client("cloudformation", **limited(cloud, "with-pass-role", rights))
    passing.create_stack(StackName="s", TemplateBody=TEMPLATE, RoleARN=f"{base}cfn")
    assert cloud.settled("s")["RoleARN"] == f"{base}cfn"
    (line,) = map(json.loads, cloud.layout.rights.read_text().splitlines())
    assert (line["role"], line["type"], line["operation"]) == (f"{base}cfn", "AWS::SSM::Parameter", "create")
    assert "ssm:PutParameter" in line["missing"]


def test_functions_need_a_role_that_lambda_can_assume(cloud: Cloud) -> None:
    cloud.deploy("machine-only", {"Role": role("states.amazonaws.com", RoleName="machine-only")})
    with pytest.raises(botocore.exceptions.ClientError, match="cannot be assumed by Lambda"):
        cloud.client("lambda").create_function(
            FunctionName="f",
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role="arn:aws:iam::111111111111:role/machine-only",
            Code={"ZipFile": b"x"},
        )


def test_a_failed_stack_keeps_its_name(cloud: Cloud) -> None:
    stacks = cloud.client("cloudformation")
    broken = TEMPLATE.replace('"String"', '"Nothing"')
    stacks.create_stack(StackName="again", TemplateBody=broken)
    until(lambda: stacks.describe_stacks(StackName="again")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE")
    with pytest.raises(botocore.exceptions.ClientError, match="AlreadyExists"):
        stacks.create_stack(StackName="again", TemplateBody=TEMPLATE)
    assert cloud.delete("again") == "DELETE_COMPLETE"
    first = stacks.create_stack(StackName="again", TemplateBody=TEMPLATE, ClientRequestToken="t")
    assert stacks.create_stack(StackName="again", TemplateBody=TEMPLATE, ClientRequestToken="t")["StackId"] == first["StackId"]
    with pytest.raises(botocore.exceptions.ClientError, match="AlreadyExists"):
        stacks.create_stack(StackName="again", TemplateBody=TEMPLATE, ClientRequestToken="u")


def test_conditions_on_transport_and_principal(cloud: Cloud) -> None:
    """SAM's artifact bucket refuses what is not TLS; bucket policies name roles by aws:PrincipalArn."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="conditions")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::conditions", "arn:aws:s3:::conditions/*"]}
    statements = [
        {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**deny, "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/denied"}}},
    ]
    s3.put_bucket_policy(Bucket="conditions", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    s3.put_object(Bucket="conditions", Key="k", Body=b"v")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": {"Ref": "AWS::AccountId"}}, "Action": "sts:AssumeRole"}],
    }
    everything = {
        "PolicyName": "p",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    }
    properties = {"RoleName": "denied", "AssumeRolePolicyDocument": document, "Policies": [everything]}
    cloud.deploy("denied", {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}})
    keys = cloud.client("sts").assume_role(RoleArn="arn:aws:iam::111111111111:role/denied", RoleSessionName="tester")["Credentials"]
    session = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        cloud.client("s3", **session).get_object(Bucket="conditions", Key="k")


def test_right_to_read_one_layer_version(cloud: Cloud) -> None:
    publish = cloud.client("lambda").publish_layer_version
    first, second = (publish(LayerName="read", Content={"ZipFile": functions.archive({"f": text})}) for text in ("1", "2"))
    rights = [{"Effect": "Allow", "Action": "lambda:GetLayerVersion", "Resource": first["LayerVersionArn"]}]
    reader = cloud.client("lambda", **limited(cloud, "layer-reader", rights))
    assert reader.get_layer_version(LayerName="read", VersionNumber=first["Version"])["Version"] == first["Version"]
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        reader.get_layer_version(LayerName="read", VersionNumber=second["Version"])
