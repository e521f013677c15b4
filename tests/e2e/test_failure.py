"""A stage that fails for real: what the user reads, what is kept, and how it goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from demo.cloud import Cloud
from e2e.provider import Execution, Provider, Request, example
from e2e.roles import lesser_role
from e2e.world import World

OBSTACLE = "opa-blocked-provisioning-role"


@pytest.fixture(scope="module")
def request_(world: World) -> Iterator[Request]:
    """A request whose Identity stack wants a role name that is taken. Preflight may not look at roles, or it would say so."""
    with lesser_role(world, lambda statement, _: statement["Sid"] == "LookAtRoles") as role:
        yield example("fargate", name="blocked", cidr="10.60.0.0/24", natGateways="perAz", environmentRole=role)


@pytest.fixture(scope="module")
def failed(cloud: Cloud, provider: Provider, request_: Request) -> Iterator[Execution]:
    """The execution that failed on it. The obstacle is gone when the last test has run."""
    iam = cloud.client("iam", cloud.target_account)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    iam.create_role(RoleName=OBSTACLE, AssumeRolePolicyDocument=json.dumps(trust))
    try:
        yield provider.run(request_)
    finally:
        # By then it is the environment's own role, if the last test has run; that has policies and stays.
        with contextlib.suppress(iam.exceptions.NoSuchEntityException, iam.exceptions.DeleteConflictException):
            iam.delete_role(RoleName=OBSTACLE)


def test_cause_names_the_first_resource_that_failed(failed: Execution) -> None:
    assert failed.status == "FAILED"
    assert failed.error in ("Conflict", "Failed")
    cause = failed.cause
    assert (cause["stage"], cause["code"]) == ("Identity", failed.error)
    assert "AWS::IAM::Role" in cause["message"]
    assert "ProvisioningRole" in cause["message"]
    assert OBSTACLE in cause["message"]
    assert "already exists" in cause["message"]
    assert cause["next"]


def test_cause_lists_what_exists(failed: Execution) -> None:
    exists = failed.cause["exists"]
    assert "EKS-ENV-opa-blocked-Network CREATE_COMPLETE" in exists
    # Later stages were not begun.
    assert not [line for line in exists if "Cluster" in line or "Kubectl" in line or "blocked-Stack" in line]


def test_cause_fits_the_console(failed: Execution) -> None:
    assert len(failed.description["cause"]) < 32_768
    assert "\n" in failed.description["cause"]


def test_failure_is_in_the_history_and_the_lock_is_free(provider: Provider, failed: Execution, request_: Request) -> None:
    row = next(r for r in provider.past(request_) if r["execution"] == failed.arn)
    assert row["status"] == "FAILED"
    document = json.loads(row["document"])
    assert {key: document[key] for key in ("stage", "code", "message")} == {key: failed.cause[key] for key in ("stage", "code", "message")}
    assert provider.holder(request_) is None


def test_sibling_branch_came_to_its_end(failed: Execution, world: World) -> None:
    assert world.stacks("222222222222")["EKS-ENV-opa-blocked-Network"]["StackStatus"] == "CREATE_COMPLETE"


def test_same_request_goes_on_when_the_obstacle_is_gone(cloud: Cloud, provider: Provider, failed: Execution, request_: Request) -> None:
    assert failed.status == "FAILED"
    cloud.client("iam", cloud.target_account).delete_role(RoleName=OBSTACLE)
    result = provider.run(request_).succeeded().result
    changes = {stage["stage"]: stage["change"] for stage in result["stages"]}
    assert (changes["Network"], changes["Identity"], changes["Cluster"]) == ("unchanged", "created", "created")
    assert [row["status"] for row in provider.past(request_)] == ["FAILED", "SUCCEEDED"]


def test_nat_gateway_in_every_zone_is_made_on_request(provider: Provider, world: World, request_: Request) -> None:
    made = json.loads(provider.past(request_)[-1]["document"])
    filters = [{"Name": "vpc-id", "Values": [made["network"]["vpcId"]]}]
    gateways = world.target("ec2").describe_nat_gateways(Filters=filters)["NatGateways"]
    assert len({gateway["SubnetId"] for gateway in gateways}) == 2
    (item,) = [i for i in made["cost"]["items"] if i["what"] == "NAT gateway with its address"]
    assert item["count"] == 2
