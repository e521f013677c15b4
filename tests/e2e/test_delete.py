"""An environment is removed without a trace."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from demo import given
from demo.cloud import Cloud
from e2e.provider import Execution, Provider, Request, example
from e2e.world import World
from localcloud import snapshot

_SHARED = ("EKS-ENV-Bootstrap", "eks-env-artifacts-", "EKS-ENV-CloudFormation-", "EKS-ENV-DeleteHook")
"""What all environments of the account and region share, and what outlives them."""


@dataclasses.dataclass(frozen=True)
class Life:
    """An environment from before it was made until after it was removed."""

    request: Request
    made: Execution
    removed: Execution
    before: snapshot.Snapshot
    after: snapshot.Snapshot


def deletion(request: Request) -> Request:
    """The request to remove what a request has made."""
    return request | {"operation": "delete"}


def traces(before: snapshot.Snapshot, after: snapshot.Snapshot) -> list[str]:
    """What a removed environment has left behind and may not."""
    kept = {key: value for key, value in after.items() if not _may_stay(key, value)}
    lines = snapshot.differences({key: value for key, value in before.items() if not _may_stay(key, value)}, kept)
    return [line for line in lines if not any(name in line for name in _SHARED)]


def _may_stay(key: str, value: Any) -> bool:
    store = key.partition("/")[0]
    match store:
        # The orchestrator's history.
        case "dynamodb._tables":
            return "/eks-environment-provider-Table-" in key
        # KMS deletes a key after some days.
        case "kms._keys":
            return value["KeyState"] == "PendingDeletion"
        # As on AWS, a deleted stack is remembered for a while, and so are its events.
        case "cloudformation._stacks":
            return value["StackStatus"] == "DELETE_COMPLETE"
        case "cloudformation._stack_events":
            return True
        # As on AWS, the numbers of a layer's versions are not used again.
        case "lambda_svc._layers":
            return value["versions"] == []
        # MiniStack counts the roles that an AWS managed policy is attached to.
        case "iam._aws_managed_attachment_counts":
            return value == 0
        # MiniStack keeps the tags of what is gone; nothing can be read by them.
        case "dynamodb._tags" | "ec2._tags":
            return True
    return False


@pytest.fixture(scope="module")
def life(provider: Provider, world: World) -> Life:
    """A Fargate environment, made and removed."""
    request = example("fargate", name="removed", cidr="10.70.0.0/24")
    world.target("ec2").describe_vpcs()  # MiniStack makes a region's default VPC when it is first asked for one
    before = snapshot.take(world.layout)
    made = provider.run(request).succeeded()
    removed = provider.run(deletion(request))
    return Life(request, made, removed, before, snapshot.take(world.layout))


def test_deletion_says_what_it_removed(life: Life) -> None:
    result = life.removed.succeeded().result
    assert (result["status"], result["operation"], result["environment"]) == ("SUCCEEDED", "delete", "opa-removed")
    assert result["changed"] is True
    stacks = {line.removeprefix("stack EKS-ENV-opa-removed-") for line in result["removed"] if line.startswith("stack ")}
    assert stacks == {"Kubectl", "AddonRoles", "Capacity", "Cluster", "Egress", "Network", "Identity", "Stack"}
    assert result["orphaned"] == []
    assert sorted(kept["what"].split()[0] for kept in result["kept"]) == ["KMS", "KMS"]
    assert all("KMS deletes it on 20" in kept["why"] for kept in result["kept"])


def test_accounts_are_as_before(life: Life) -> None:
    life.removed.succeeded()
    assert traces(life.before, life.after) == []


def test_nothing_runs_after_it(provider: Provider, life: Life) -> None:
    assert provider.holder(life.request) is None
    assert [(row["operation"], row["status"]) for row in provider.past(life.request)][:2] == [("apply", "SUCCEEDED"), ("delete", "SUCCEEDED")]


def test_deleting_again_finds_nothing(provider: Provider, world: World, life: Life) -> None:
    before = snapshot.take(world.layout)
    result = provider.run(deletion(life.request)).succeeded().result
    assert (result["changed"], result["removed"], result["kept"], result["orphaned"]) == (False, [], [], [])
    assert traces(before, snapshot.take(world.layout)) == []


def test_vpc_of_others_is_as_before(cloud: Cloud, provider: Provider, world: World) -> None:
    # Managed nodes, so that a node group and its instances come and go in it too.
    request = given.provide(cloud, example("shared-vpc", name="tenant", clusterAdminRole=None))
    before = world.network()
    provider.run(request).succeeded()
    assert snapshot.differences(before, {key: value for key, value in world.network().items() if key in before}) != []  # tags were asked for
    result = provider.run(deletion(request)).succeeded().result
    assert result["orphaned"] == []
    after = world.network()
    # MiniStack keeps the tags of what is gone; nothing can be read by them.
    new = {key for key in after.keys() - before.keys() if not key.startswith("ec2._tags/")}
    assert snapshot.differences(before, {key: value for key, value in after.items() if key in before or key in new}) == []
