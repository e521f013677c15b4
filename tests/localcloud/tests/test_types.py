"""CloudFormation types of the extension: created, seen through the service, updated, replaced, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Cloud, StackFailed


def test_security_group_rules(cloud: Cloud, network: dict[str, str]) -> None:
    resources: dict[str, Any] = {
        "Other": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "other", "VpcId": network["Vpc"]}},
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": network["Group"],
                "IpProtocol": "tcp",
                "FromPort": "443",
                "ToPort": 443,
                "SourceSecurityGroupId": {"Ref": "Other"},
                "Description": "from the other",
            },
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {"GroupId": {"Ref": "Other"}, "IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIp": "10.0.0.0/8"},
        },
    }
    outputs = {"In": {"Ref": "In"}, "Id": {"Fn::GetAtt": ["In", "Id"]}, "Other": {"Ref": "Other"}}
    first = cloud.deploy("rules", resources, outputs)
    assert first["In"] == first["Id"]

    def rules(store: str = "IpPermissions", group: str = network["Group"]) -> list[dict[str, Any]]:
        return cloud.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0][store]

    (rule,) = rules()
    assert (rule["FromPort"], rule["UserIdGroupPairs"][0]["GroupId"]) == (443, first["Other"])
    assert any(r.get("FromPort") == 53 for r in rules("IpPermissionsEgress", first["Other"]))

    resources["In"]["Properties"]["Description"] = "changed in place"
    second = cloud.deploy("rules", resources, outputs, update=True)
    assert second["In"] == first["In"]
    assert rules()[0]["UserIdGroupPairs"][0]["Description"] == "changed in place"

    resources["In"]["Properties"] |= {"FromPort": 444, "ToPort": 444}
    third = cloud.deploy("rules", resources, outputs, update=True)
    assert third["In"] != first["In"]
    assert [r["FromPort"] for r in rules()] == [444]

    with pytest.raises(StackFailed, match="already exists"):
        cloud.deploy(
            "rules-again",
            {"In": {**resources["In"], "Properties": {**resources["In"]["Properties"], "SourceSecurityGroupId": third["Other"]}}},
        )
    assert cloud.delete("rules") == "DELETE_COMPLETE"
    assert rules() == []


def test_group_in_use_is_not_deleted(cloud: Cloud, network: dict[str, str]) -> None:
    group = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "g", "VpcId": network["Vpc"]}}
    source = cloud.deploy("source", {"Group": group}, {"Group": {"Ref": "Group"}})["Group"]
    properties = {"GroupId": network["Group"], "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "SourceSecurityGroupId": source}
    cloud.deploy("user", {"Rule": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": properties}})
    assert cloud.delete("source") == "DELETE_FAILED"
    assert "DependencyViolation" in cloud.reasons("source")
    assert cloud.delete("user") == "DELETE_COMPLETE"
    assert cloud.delete("source") == "DELETE_COMPLETE"


def test_nat_gateway_and_flow_log(cloud: Cloud, network: dict[str, str]) -> None:
    resources: dict[str, Any] = {
        "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc", "Tags": [{"Key": "Name", "Value": "nat"}]}},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {"SubnetId": network["SubnetA"], "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}},
        },
        "FlowLog": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceId": network["Vpc"],
                "ResourceType": "VPC",
                "TrafficType": "REJECT",
                "LogGroupName": "flow",
                "DeliverLogsPermissionArn": "arn:aws:iam::111111111111:role/flow",
            },
        },
    }
    with pytest.raises(StackFailed, match="has no Internet gateway attached"):
        cloud.deploy("egress-early", resources)
    resources |= {
        "Gateway": {"Type": "AWS::EC2::InternetGateway"},
        "Attachment": {
            "Type": "AWS::EC2::VPCGatewayAttachment",
            "Properties": {"VpcId": network["Vpc"], "InternetGatewayId": {"Ref": "Gateway"}},
        },
    }
    resources["Nat"]["DependsOn"] = "Attachment"
    outputs = {"Address": {"Ref": "Address"}, "Nat": {"Ref": "Nat"}, "FlowLog": {"Ref": "FlowLog"}}
    first = cloud.deploy("egress", resources, outputs, Tags=[{"Key": "environment", "Value": "e"}])
    ec2 = cloud.client("ec2")
    (address,) = [a for a in ec2.describe_addresses()["Addresses"] if a["PublicIp"] == first["Address"]]
    assert {t["Key"] for t in address["Tags"]} >= {"Name", "environment"}
    gateway = ec2.describe_nat_gateways(NatGatewayIds=[first["Nat"]])["NatGateways"][0]
    assert (gateway["State"], gateway["VpcId"]) == ("available", network["Vpc"])
    assert ec2.describe_flow_logs(FlowLogIds=[first["FlowLog"]])["FlowLogs"][0]["TrafficType"] == "REJECT"
    resources["FlowLog"]["Properties"]["TrafficType"] = "ALL"
    second = cloud.deploy("egress", resources, outputs, update=True)
    assert second["FlowLog"] != first["FlowLog"]
    assert second["Nat"] == first["Nat"]
    assert cloud.delete("egress") == "DELETE_COMPLETE"
    assert not ec2.describe_nat_gateways(NatGatewayIds=[first["Nat"]])["NatGateways"]


def test_oidc_provider(cloud: Cloud) -> None:
    provider: dict[str, Any] = {
        "Type": "AWS::IAM::OIDCProvider",
        "Properties": {"Url": "https://oidc.example.com/id/1", "ClientIdList": ["sts.amazonaws.com"]},
    }
    outputs = {"Ref": {"Ref": "Provider"}, "Arn": {"Fn::GetAtt": ["Provider", "Arn"]}}
    first = cloud.deploy("oidc", {"Provider": provider}, outputs)
    assert first["Ref"] == first["Arn"] == "arn:aws:iam::111111111111:oidc-provider/oidc.example.com/id/1"
    iam = cloud.client("iam")
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=first["Arn"])["ClientIDList"] == ["sts.amazonaws.com"]
    with pytest.raises(StackFailed, match="already exists"):
        cloud.deploy("oidc-again", {"Provider": provider})
    provider["Properties"]["ClientIdList"] = ["sts.amazonaws.com", "other"]
    cloud.deploy("oidc", {"Provider": provider}, outputs, update=True)
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=first["Arn"])["ClientIDList"] == ["sts.amazonaws.com", "other"]
    provider["Properties"]["Url"] = "https://oidc.example.com/id/2"
    assert cloud.deploy("oidc", {"Provider": provider}, outputs, update=True)["Arn"].endswith("/id/2")
    assert cloud.delete("oidc") == "DELETE_COMPLETE"
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert not any("example.com" in provider["Arn"] for provider in providers)


def test_attributes_of_the_network(cloud: Cloud) -> None:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.30.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.30.0.0/20"}},
    }
    outputs = {"Vpc": {"Fn::GetAtt": ["Vpc", "CidrBlock"]}, "Subnet": {"Fn::GetAtt": ["Subnet", "CidrBlock"]}}
    assert cloud.deploy("cidr", resources, outputs) == {"Vpc": "10.30.0.0/16", "Subnet": "10.30.0.0/20"}
    resources["Vpc"]["Properties"]["EnableDnsSupport"] = True
    assert cloud.deploy("cidr", resources, outputs, update=True)["Vpc"] == "10.30.0.0/16"


def test_properties_that_break_the_schema(cloud: Cloud) -> None:
    with pytest.raises(StackFailed, match=r"Properties validation failed for resource Vpc with message: #: extraneous key \[Nme\]"):
        cloud.deploy("broken", {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "Nme": "x"}}})
    status = cloud.client("cloudformation").describe_stacks(StackName="broken")["Stacks"][0]["StackStatus"]
    assert status == "ROLLBACK_COMPLETE"


def test_property_that_cannot_be_read_back(cloud: Cloud, network: dict[str, str]) -> None:
    properties = {"SubnetId": network["SubnetA"], "ConnectivityType": "private", "SecondaryPrivateIpAddressCount": 2}
    with pytest.raises(StackFailed, match="cannot read back property SecondaryPrivateIpAddressCount"):
        cloud.deploy("unread", {"Nat": {"Type": "AWS::EC2::NatGateway", "Properties": properties}})
    gateways = cloud.client("ec2").describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [network["Vpc"]]}])["NatGateways"]
    assert not [gateway for gateway in gateways if gateway["ConnectivityType"] == "private"]
