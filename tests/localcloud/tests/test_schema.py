"""The registry schema check."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import schema

INVALID: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown property": ("AWS::EC2::VPC", {"CidrBlok": "10.0.0.0/16"}, r"#: extraneous key \[CidrBlok\] is not permitted"),
    "missing property": ("AWS::EKS::AccessEntry", {"ClusterName": "c"}, r"#: required key \[PrincipalArn\] not found"),
    "enum": (
        "AWS::EKS::Cluster",
        {"RoleArn": "r", "ResourcesVpcConfig": {"SubnetIds": []}, "AccessConfig": {"AuthenticationMode": "NONE"}},
        "#/AccessConfig/AuthenticationMode: NONE is not a valid enum value",
    ),
    "pattern": ("AWS::DynamoDB::Table", {"KeySchema": [], "TableName": 1, "Tags": [{"Key": "", "Value": "v"}]}, "#"),
    "wrong type": ("AWS::EC2::VPC", {"EnableDnsSupport": "maybe"}, "expected type: Boolean, found: String"),
    "list for a string": ("AWS::EC2::Subnet", {"VpcId": ["vpc-1"]}, "#/VpcId: expected type: String, found: JSONArray"),
    "read-only property": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "Arn": "a"}, r"read-only property \[Arn\]"),
    "nested unknown property": (
        "AWS::EKS::Cluster",
        {"RoleArn": "r", "ResourcesVpcConfig": {"SubnetIds": [], "VpcId": "v"}},
        r"#/ResourcesVpcConfig: extraneous key \[VpcId\]",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid(case: str) -> None:
    type_name, properties, text = INVALID[case]
    with pytest.raises(schema.PropertiesInvalid, match=text):
        schema.load(type_name).check(properties)


COERCED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "text to number": ("AWS::Logs::LogGroup", {"RetentionInDays": "7"}, {"RetentionInDays": 7}),
    "text to boolean": ("AWS::EC2::VPC", {"CidrBlock": "c", "EnableDnsSupport": "true"}, {"CidrBlock": "c", "EnableDnsSupport": True}),
    "number to text": ("AWS::SSM::Parameter", {"Type": "String", "Value": 5}, {"Type": "String", "Value": "5"}),
    "policy as text": (
        "AWS::IAM::Role",
        {"AssumeRolePolicyDocument": '{"Statement": []}'},
        {"AssumeRolePolicyDocument": '{"Statement": []}'},
    ),
}


@pytest.mark.parametrize("case", COERCED)
def test_coerced(case: str) -> None:
    type_name, properties, want = COERCED[case]
    assert schema.load(type_name).check(properties) == want


def test_all_errors_are_told() -> None:
    with pytest.raises(schema.PropertiesInvalid, match=r"\[A\].*\[B\]"):
        schema.load("AWS::EC2::VPC").check({"A": 1, "B": 2})


def test_unknown_type() -> None:
    with pytest.raises(schema.UnknownType):
        schema.load("AWS::EC2::Nothing")


def test_unknown_keyword_is_not_ignored() -> None:
    document = {"typeName": "T", "properties": {"A": {"type": "string", "contentEncoding": "base64"}}}
    with pytest.raises(schema.UnknownKeyword, match="contentEncoding"):
        schema.Schema(document).check({"A": "x"})


def test_create_only() -> None:
    cluster = schema.load("AWS::EKS::Cluster")
    assert {"Name", "RoleArn", "EncryptionConfig"} <= cluster.create_only
    assert {"KubernetesNetworkConfig", "AccessConfig"} <= cluster.partly_create_only
    assert "Status" not in cluster.attributes
    assert "KubernetesNetworkConfig.ServiceIpv6Cidr" in cluster.attributes
