"""What a request says about the roles of its environment: a boundary, and who may administer the cluster."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from demo.cloud import Cloud
from e2e.provider import Environment, Provider
from e2e.world import World

BOUNDARY = "arn:aws:iam::222222222222:policy/workload-boundary"
ADMIN = "arn:aws:iam::222222222222:role/opa-batch-cluster-admin-role"


def test_every_role_of_the_environment_is_bounded(world: World, options: Environment) -> None:
    iam = world.target("iam")
    mine = [name for name in world.roles(options.account) if name.startswith("opa-batch-")]
    # Of the stacks Identity, Egress and AddonRoles.
    assert {"opa-batch-node-role", "opa-batch-flow-log-role", "opa-batch-lb-controller-role"} <= set(mine)
    assert len(mine) == 9
    for name in mine:
        assert iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY, name


def test_role_of_another_environment_is_not_bounded(world: World, managed: Environment) -> None:
    role = world.target("iam").get_role(RoleName=f"{managed.prefix}-{managed.name}-operations-role")["Role"]
    assert "PermissionsBoundary" not in role


@pytest.mark.usefixtures("options")
def test_boundary_stops_what_the_roles_own_policies_allow(cloud: Cloud) -> None:
    # The provisioning role has IAMFullAccess.
    pipeline = _assume(cloud, None, "arn:aws:iam::111111111111:role/opa-pipeline")
    provisioning = _assume(cloud, pipeline, "arn:aws:iam::222222222222:role/opa-batch-provisioning-role")
    iam = _client(cloud, "iam", provisioning)
    iam.create_role(RoleName="made-by-a-pipeline", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    iam.delete_role(RoleName="made-by-a-pipeline")
    with pytest.raises(ClientError) as refused:
        iam.create_user(UserName="somebody")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.usefixtures("options")
def test_trusted_role_becomes_cluster_admin_and_another_does_not(cloud: Cloud) -> None:
    account = cloud.target_account
    operators = _assume(cloud, account, f"arn:aws:iam::{account}:role/platform-operators")
    admin = _assume(cloud, operators, ADMIN)
    assert _client(cloud, "sts", admin).get_caller_identity()["Arn"].startswith(f"arn:aws:sts::{account}:assumed-role/opa-batch-cluster-admin-role/")
    # The account's own deployer is an administrator of the account and not in the list.
    with pytest.raises(ClientError) as refused:
        _assume(cloud, account, ADMIN)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_boundary_that_does_not_exist_is_named(provider: Provider, fargate: Environment) -> None:
    missing = "arn:aws:iam::222222222222:policy/no-such-boundary"
    cause = provider.run(fargate.request | {"permissionsBoundary": missing}).failed("PreflightFailed")
    assert (cause["stage"], cause["field"]) == ("Preflight", "/permissionsBoundary")
    assert missing in cause["message"]
    assert provider.run(fargate.request).succeeded().result["findings"] == []


Keys = dict[str, str]


def _client(cloud: Cloud, service: str, keys: Keys) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.settings["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def _assume(cloud: Cloud, caller: Keys | str | None, arn: str) -> Keys:
    """The keys of a role, assumed by a session or by the deployer of an account."""
    sts = _client(cloud, "sts", caller) if isinstance(caller, dict) else cloud.client("sts", caller)
    return sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
