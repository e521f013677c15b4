"""What the account says about a request: one report of all that stands against it, before anything is created."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.provider import Environment, Provider, Request, example
from e2e.roles import lesser_role, trusting
from e2e.world import REGIONS, World
from localcloud import limits
from localcloud.layout import Layout

ACCOUNT = "222222222222"
FULL = {"quotas": {"vpc/L-F678F1CE": 0}}


def finding(cause: dict[str, Any], code: str) -> dict[str, Any]:
    """The one finding with this code."""
    (found,) = [f for f in cause["findings"] if f["code"] == code]
    return found


@pytest.fixture
def untouched(world: World) -> Iterator[None]:
    """Fails the test if anything changed in the target account."""
    before, since = [set(world.stacks(ACCOUNT, region)) for region in REGIONS], time.time()
    yield
    assert [set(world.stacks(ACCOUNT, region)) for region in REGIONS] == before
    assert world.calls(since, ACCOUNT) == []


@pytest.fixture
def layout(world: World) -> Layout:
    """Where the local cloud reads the accounts' limits."""
    return world.layout


# What is set of the account, one change of docs/examples/managed-nodes.json, the finding's code and field, and what it says.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, list[str]]] = {
    "no room for a VPC": (
        {"quotas": {"vpc/L-F678F1CE": 1}},
        {},
        "QuotaExceeded",
        "/vpcConfiguration",
        ["quota of VPCs in us-east-1 is 1", "1 more", "--service-code vpc --quota-code L-F678F1CE"],
    ),
    "no room for an internet gateway": (
        {"quotas": {"vpc/L-A4707A72": 0}},
        {},
        "QuotaExceeded",
        "/vpcConfiguration",
        ["internet gateways in us-east-1"],
    ),
    "no room for gateway endpoints": (
        {"quotas": {"vpc/L-1B52E74A": 1}},
        {},
        "QuotaExceeded",
        "/vpcConfiguration",
        ["gateway endpoints", "2 more"],
    ),
    "no room for addresses": (
        {"quotas": {"ec2/L-0263D0A3": 1}},
        {"natGateways": "perAz"},
        "QuotaExceeded",
        "/natGateways",
        ["elastic IP addresses", "2 more", "request-service-quota-increase"],
    ),
    "no room for a NAT gateway": (
        {"quotas": {"vpc/L-FE5A380F": 0}},
        {"natGateways": "single"},
        "QuotaExceeded",
        "/natGateways",
        ["NAT gateways in the zone us-east-1"],
    ),
    "no room for a cluster": ({"quotas": {"eks/L-1194D53C": 0}}, {}, "QuotaExceeded", "/awsRegion", ["EKS clusters in us-east-1 is 0"]),
    "no room for nodes": (
        {"quotas": {"ec2/L-1216C47A": 7}},
        {"instanceType": "m5.xlarge", "nodeGroupMinSize": 2, "nodeGroupDesiredSize": 2},
        "QuotaExceeded",
        "/nodeGroupDesiredSize",
        ["vCPUs of running On-Demand instances, Standard", "8 more"],
    ),
    "a family that the account may not run": (
        {},
        {"instanceType": "g4dn.xlarge"},
        "QuotaExceeded",
        "/nodeGroupDesiredSize",
        ["G and VT", "is 0"],
    ),
    "an instance type that is none": ({}, {"instanceType": "m5.gigantic"}, "InstanceTypeUnknown", "/instanceType", ["m5.gigantic", "us-east-1"]),
    "an instance type without a zone": (
        {"notOffered": {"m5.large": ["us-east-1a", "us-east-1b", "us-east-1c"]}},
        {},
        "InstanceTypeUnknown",
        "/instanceType",
        ["m5.large"],
    ),
    "an endpoint's service that a zone does not have": (
        {"notOffered": {"ecr.dkr": ["us-east-1b"]}},
        {"apiAccess": "private", "apiAccessCidrs": None},
        "EndpointNotOffered",
        "/interfaceEndpoints",
        ["for ecr.dkr in us-east-1b", "without ecr.dkr"],
    ),
    "an endpoint's service that the region does not have": (
        {"notOffered": {"sts": ["us-east-1a", "us-east-1b", "us-east-1c"]}},
        {"interfaceEndpoints": ["sts"]},
        "EndpointNotOffered",
        "/interfaceEndpoints",
        ["no interface endpoint for sts in us-east-1"],
    ),
    "nodes too small for what runs on each": (
        {},
        {"instanceType": "t3.micro", "nodeGroupMinSize": 1, "nodeGroupDesiredSize": 1, "nodeGroupMaxSize": 1},
        "TooFewPods",
        "/instanceType",
        ["1 nodes of the type t3.micro run 4 pods at most"],
    ),
    "an administrator that does not exist": (
        {},
        {"clusterAdminRole": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
        "RoleMissing",
        "/clusterAdminRole",
        ["has no role nobody", "opa-checked-kubectl-lambda-role"],
    ),
    "an administrator with another path": (
        {},
        {"clusterAdminRole": f"arn:aws:iam::{ACCOUNT}:role/team/preflight-admin"},
        "RoleMissing",
        "/clusterAdminRole",
        [f"send arn:aws:iam::{ACCOUNT}:role/preflight-admin"],
    ),
    "an administrator that trusts somebody else": (
        {},
        {"clusterAdminRole": f"arn:aws:iam::{ACCOUNT}:role/preflight-admin"},
        "RoleTrust",
        "/clusterAdminRole",
        ["does not let", f'"aws:PrincipalArn":"arn:aws:iam::{ACCOUNT}:role/opa-checked-kubectl-lambda-role"'],
    ),
}


@pytest.fixture(scope="module")
def admin(world: World) -> Iterator[str]:
    """A role that trusts nothing but EC2."""
    iam = world.target("iam")
    iam.create_role(RoleName="preflight-admin", AssumeRolePolicyDocument=trusting({"Service": "ec2.amazonaws.com"}))
    yield f"arn:aws:iam::{ACCOUNT}:role/preflight-admin"
    iam.delete_role(RoleName="preflight-admin")


@pytest.mark.usefixtures("admin", "untouched")
@pytest.mark.parametrize("case", CASES)
def test_account_stands_in_the_way(provider: Provider, layout: Layout, case: str) -> None:
    limit, changes, code, field, expected = CASES[case]
    with limits.setting(layout, **limit):
        cause = provider.run(example("managed-nodes", name="checked", **changes)).failed("PreflightFailed")
    found = finding(cause, code)
    assert (found["severity"], found["field"], cause["stage"]) == ("error", field, "Preflight")
    said = found["found"] + "; " + found["next"]
    assert [text for text in expected if text not in said] == [], said
    assert f"\n- {field}: {said}" in cause["message"]
    assert "nothing was created" in cause["message"]


@pytest.mark.usefixtures("untouched")
def test_everything_is_said_at_once(provider: Provider, layout: Layout) -> None:
    limit = {"quotas": {"vpc/L-F678F1CE": 0, "ec2/L-0263D0A3": 0}, "notOffered": {"m5.large": ["us-east-1b"]}}
    changes = {"clusterAdminRole": f"arn:aws:iam::{ACCOUNT}:role/nobody", "kubernetesVersion": "1.30", "cidr": "172.17.0.0/16"}
    with limits.setting(layout, **limit):
        cause = provider.run(example("managed-nodes", name="checked", **changes)).failed("PreflightFailed")
    found = [(f["severity"], f["code"], f["field"]) for f in cause["findings"]]
    assert sorted(found) == [
        ("error", "InstanceTypeNotOffered", "/instanceType"),
        ("error", "InvalidRequest", "/kubernetesVersion"),
        ("error", "QuotaExceeded", "/natGateways"),
        ("error", "QuotaExceeded", "/vpcConfiguration"),
        ("error", "RoleMissing", "/clusterAdminRole"),
        ("warning", "BlockOverlapsDocker", "/cidr"),
    ]
    assert cause["message"].startswith("5 things stand in the way; nothing was created:")
    assert cause["message"].count("\n- ") == 6


def test_trust_by_account_and_condition_is_understood(provider: Provider, world: World, layout: Layout, admin: str) -> None:
    iam, request = world.target("iam"), example("managed-nodes", name="checked", clusterAdminRole=admin)
    function = f"arn:aws:iam::{ACCOUNT}:role/opa-checked-kubectl-lambda-role"
    policies = {
        "": trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Condition={"ArnEquals": {"aws:PrincipalArn": function}}),
        "warning": trusting({"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-12345"}}),
    }
    for severity, policy in policies.items():
        iam.update_assume_role_policy(RoleName="preflight-admin", PolicyDocument=policy)
        with limits.setting(layout, **FULL):  # something has to stop the execution
            cause = provider.run(request).failed("PreflightFailed")
        assert [f["severity"] for f in cause["findings"] if f["code"] == "RoleTrust"] == ([severity] if severity else [])


@contextlib.contextmanager
def planted(world: World, region: str = "us-east-1") -> Iterator[set[str]]:
    """Things in the account that have names of the environment opa-checked."""
    iam, table, logs = world.target("iam"), world.target("dynamodb", region), world.target("logs", region)
    ssm = world.target("ssm", region)
    iam.create_role(RoleName="opa-checked-operations-role", AssumeRolePolicyDocument=trusting({"Service": "ec2.amazonaws.com"}))
    table.create_table(
        TableName="opa-checked-audit",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    logs.create_log_group(logGroupName="/aws/vpc/opa-checked-flow-logs")
    ssm.put_parameter(Name="/opa/checked/vpc", Value="vpc-1", Type="String")
    # An application's, which no environment makes: harmonix-contract.md, section 5.2.
    ssm.put_parameter(Name="/opa/checked/shop-admin-role", Value="role", Type="String")
    key = world.target("kms", region).create_key()["KeyMetadata"]["KeyId"]
    world.target("kms", region).create_alias(AliasName="alias/opa-checked-key", TargetKeyId=key)
    try:
        yield {
            "role opa-checked-operations-role",
            "table opa-checked-audit",
            "log group /aws/vpc/opa-checked-flow-logs",
            "SSM parameter /opa/checked/vpc",
            "key alias alias/opa-checked-key",
        }
    finally:
        iam.delete_role(RoleName="opa-checked-operations-role")
        table.delete_table(TableName="opa-checked-audit")
        logs.delete_log_group(logGroupName="/aws/vpc/opa-checked-flow-logs")
        ssm.delete_parameters(Names=["/opa/checked/vpc", "/opa/checked/shop-admin-role"])
        world.target("kms", region).delete_alias(AliasName="alias/opa-checked-key")


def test_names_that_are_taken_are_found(provider: Provider, world: World) -> None:
    with planted(world) as things:
        cause = provider.run(example("fargate", name="checked")).failed("PreflightFailed")
    found = [f["found"] for f in cause["findings"] if f["code"] == "NameTaken"]
    assert [thing for thing in things if not any(f"there is a {thing} already" in text for text in found)] == [], found
    assert len(found) == len(things)


@pytest.mark.usefixtures("untouched")
def test_same_name_in_another_region_is_refused(provider: Provider, fargate: Environment) -> None:
    cause = provider.run(fargate.request | {"awsRegion": "eu-west-1"}).failed("PreflightFailed")
    assert {f["code"] for f in cause["findings"]} == {"NameTaken"}
    assert f"role {fargate.prefix}-{fargate.name}-operations-role" in cause["message"]
    assert "may be in another region" in cause["message"]


def test_two_environments_with_one_name_are_told_apart(provider: Provider, world: World) -> None:
    stacks = world.target("cloudformation")
    stacks.create_stack(
        StackName="EKS-ENV-opa-twice-told-Network",
        TemplateBody=json.dumps(
            {"Parameters": {"Prefix": {"Type": "String"}, "Name": {"Type": "String"}}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
        ),
        Parameters=[{"ParameterKey": "Prefix", "ParameterValue": "opa-twice"}, {"ParameterKey": "Name", "ParameterValue": "told"}],
        Tags=[{"Key": "eks-environment", "Value": "opa-twice-told"}],
    )
    cause = provider.run(example("fargate", prefix="opa", name="twice-told")).failed("Conflict")
    stacks.delete_stack(StackName="EKS-ENV-opa-twice-told-Network")
    assert (cause["stage"], cause["field"]) == ("Preflight", "/name")
    assert 'prefix "opa-twice" and name "told"' in cause["message"]


def test_request_of_220_kilobytes_is_refused_with_the_limit(provider: Provider) -> None:
    cause = provider.run(example("fargate", env_description="x" * 220 * 1024)).failed("InvalidRequest")
    assert "allowed are 204800" in cause["message"]
    assert len(json.dumps(cause)) < 2_000


def lacking(_: dict[str, Any], action: str) -> bool:
    """Whether the lesser role lacks an action: the call of functions, and a look at the quotas."""
    return action == "lambda:InvokeFunction" or action.startswith("servicequotas:Get")


def test_missing_permission_is_an_error_or_a_check_left_out(provider: Provider, world: World) -> None:
    with lesser_role(world, lacking) as role:
        cause = provider.run(example("fargate", name="checked", environmentRole=role)).failed("PreflightFailed")
    missing, unchecked = finding(cause, "PermissionMissing"), finding(cause, "NotChecked")
    assert (missing["severity"], missing["field"]) == ("error", "/environmentRole")
    assert missing["found"] == f"{role} may not call lambda:InvokeFunction"
    assert "infra/environment-role.yaml" in missing["next"]
    assert (unchecked["severity"], unchecked["field"]) == ("warning", "/environmentRole")
    assert "may not call servicequotas:GetServiceQuota" in unchecked["found"]
    assert "the quotas of the network, the quota of clusters" in unchecked["found"]


def test_removal_by_an_old_role_is_refused_before_anything_is_removed(provider: Provider, world: World) -> None:
    request = example("fargate", name="nobody", operation="delete")
    with lesser_role(world, lambda _, action: action == "tag:GetResources") as role:
        cause = provider.run(request | {"environmentRole": role}).failed("PreflightFailed")
    assert finding(cause, "PermissionMissing")["found"] == f"{role} may not call tag:GetResources"
    assert "nothing was removed" in cause["message"]
    assert provider.run(request).succeeded().result["changed"] is False


@pytest.fixture(scope="module")
def repaired(provider: Provider, world: World) -> Environment:
    """An environment whose request was refused first, because a quota was full."""
    request: Request = example("managed-nodes", name="repaired", nodeGroupMinSize=1, nodeGroupDesiredSize=1, nodeGroupMaxSize=2, cidr="10.77.0.0/22")
    with limits.setting(world.layout, **FULL):
        provider.run(request).failed("PreflightFailed")
    return Environment(request, provider.run(request).succeeded())


def test_same_request_goes_on_after_the_repair(repaired: Environment) -> None:
    assert repaired.result["findings"] == []


@pytest.mark.usefixtures("untouched")
def test_quotas_do_not_count_what_is_there(provider: Provider, repaired: Environment, layout: Layout) -> None:
    nothing = dict.fromkeys(["vpc/L-F678F1CE", "vpc/L-A4707A72", "vpc/L-1B52E74A", "vpc/L-FE5A380F", "ec2/L-0263D0A3", "eks/L-1194D53C"], 0)
    with limits.setting(layout, quotas=nothing):
        result = provider.run(repaired.request).succeeded().result
    assert (result["changed"], result["findings"]) == (False, [])


@pytest.mark.usefixtures("untouched")
def test_what_cannot_change_is_refused_together(provider: Provider, repaired: Environment) -> None:
    cause = provider.run(repaired.request | {"cidr": "10.78.0.0/22", "nodeType": "FARGATE"}).failed("InvalidRequest")
    assert {f["field"] for f in cause["findings"]} == {"/cidr", "/nodeType"}
    assert "the environment was not changed" in cause["message"]
    assert 'ask for "10.77.0.0/22", or make a new environment under another name' in cause["message"]


def test_what_can_change_changes_in_place(provider: Provider, world: World, repaired: Environment) -> None:
    eks, before = world.target("eks"), repaired.result
    cluster = before["cluster"]["name"]
    made = eks.describe_cluster(name=cluster)["cluster"]["createdAt"]
    changes = {
        "apiAccess": "private",
        "apiAccessCidrs": None,
        "natGateways": "perAz",
        "interfaceEndpoints": ["sts"],
        "nodeGroupMaxSize": 3,
        "tags": {"cost-center": "4712"},
    }
    request = {k: v for k, v in (repaired.request | changes).items() if v is not None}
    result = provider.run(request).succeeded().result
    changed = {stage["stage"]: stage["change"] for stage in result["stages"] if stage["change"] != "unchanged"}
    assert {"Cluster", "Egress", "Capacity"} <= set(changed)
    assert set(changed.values()) == {"updated"}
    live = eks.describe_cluster(name=cluster)["cluster"]
    assert (live["createdAt"], live["resourcesVpcConfig"]["endpointPublicAccess"]) == (made, False)
    assert result["network"] == before["network"]
    gateways = world.target("ec2").describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [before["network"]["vpcId"]]}])["NatGateways"]
    assert len(gateways) == 2
