"""What a removal keeps, and what becomes of it when the same environment is made again."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.provider import Execution, Provider, Request, example
from e2e.removal import deletion
from e2e.world import World, eventually

_LOGS = ("/aws/lambda/EKS-ENV-opa-retained-kubectl", "/aws/vpc/opa-retained-flow-logs")
_ROW = {"id": {"S": "audit-1"}, "createdAt": {"S": "2026-11-22T10:00:00Z"}, "createdDate": {"S": "2026-11-22"}}


@pytest.fixture(scope="module")
def request_() -> Request:
    """The environment."""
    return example("fargate", name="retained", cidr="10.62.0.0/24")


@pytest.fixture(scope="module")
def keys(provider: Provider, world: World, request_: Request) -> dict[str, str]:
    """The ids of the keys of an environment in the making, which is stopped as soon as it has all that can be kept; its table has a row."""
    parts = ("Identity", "Egress", "Kubectl", "Cluster")
    arn = provider.start(request_)

    def made() -> bool:
        found = world.stacks("222222222222")
        return all(found.get(f"EKS-ENV-opa-retained-{part}", {}).get("StackStatus") == "CREATE_COMPLETE" for part in parts)

    eventually(made, "the stacks of what can be kept", 60)
    provider.states.stop_execution(executionArn=arn)
    assert provider.wait(arn).status == "ABORTED"
    eventually(lambda: provider.holder(request_) is None, "the lock's release")
    world.target("dynamodb").put_item(TableName="opa-retained-audit", Item=_ROW)
    aliases = {alias["AliasName"]: alias.get("TargetKeyId", "") for alias in world.target("kms").list_aliases()["Aliases"]}
    return {"audit": aliases["alias/opa-retained-key"], "secrets": aliases["alias/eks/opa-retained-cluster-key-alias"]}


@pytest.fixture(scope="module")
def removed(provider: Provider, keys: dict[str, str]) -> Execution:
    """Its removal, which keeps all that there is to keep."""
    assert keys
    return provider.run(example("delete-retaining", name="retained", cidr="10.62.0.0/24"))


def test_what_is_kept_is_named_with_its_reason(removed: Execution, keys: dict[str, str]) -> None:
    result = removed.succeeded().result
    kept = {line["what"]: line["why"] for line in result["kept"]}
    assert kept["table opa-retained-audit"] == "retain names auditTable"
    assert {kept[f"log group {name}"] for name in _LOGS} == {"retain names logs"}
    assert {key: kept[f"KMS key arn:aws:kms:us-east-1:222222222222:key/{key}"] for key in keys.values()} == dict.fromkeys(keys.values(), "retain names keys")
    assert result["orphaned"] == []
    assert {"stack EKS-ENV-opa-retained-Identity", "stack EKS-ENV-opa-retained-Egress"} <= set(result["removed"])
    assert not set(kept) & set(result["removed"])


def test_what_is_kept_is_whole(world: World, removed: Execution, keys: dict[str, str]) -> None:
    removed.succeeded()
    assert not [name for name in world.stacks("222222222222") if name.startswith("EKS-ENV-opa-retained-")]
    assert world.target("dynamodb").scan(TableName="opa-retained-audit")["Items"] == [_ROW]
    for key in keys.values():
        assert world.target("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert _groups(world) >= set(_LOGS)


def test_roles_and_aliases_are_not_kept(world: World, removed: Execution) -> None:
    removed.succeeded()
    assert not [name for name in world.roles("222222222222") if name.startswith("opa-retained-")]
    assert not [alias for alias in world.target("kms").list_aliases()["Aliases"] if "opa-retained" in alias["AliasName"]]


def test_same_environment_is_refused_by_the_names_that_were_kept(provider: Provider, world: World, removed: Execution, request_: Request) -> None:
    removed.succeeded()
    cause = provider.run(request_).failed("PreflightFailed")
    found = {finding["found"]: finding["next"] for finding in cause["findings"] if finding["code"] == "NameTaken"}
    for name, command in {"opa-retained-audit": "aws dynamodb delete-table", **dict.fromkeys(_LOGS, "aws logs delete-log-group")}.items():
        (next_,) = [next_ for text, next_ in found.items() if name in text]
        assert f"{command} --" in next_
        assert f"{name} --region us-east-1" in next_
    assert len(found) == 3
    # The table is what only the named way out removes.
    world.target("dynamodb").delete_table(TableName="opa-retained-audit")
    for group in _LOGS:
        world.target("logs").delete_log_group(logGroupName=group)
    planned = provider.run(request_ | {"operation": "plan"}).succeeded().result
    assert planned["changes"] is True


def test_removal_without_retain_removes_logs_that_were_kept(provider: Provider, world: World, removed: Execution, request_: Request) -> None:
    removed.succeeded()
    kept = "/aws/apps/opa-retained/shop"
    world.target("logs").create_log_group(logGroupName=kept)
    result: dict[str, Any] = provider.run(deletion(request_)).succeeded().result
    assert f"log group {kept}" in result["removed"]
    assert not _groups(world)


def _groups(world: World) -> set[str]:
    pages = world.target("logs").get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"] for page in pages for group in page["logGroups"] if "opa-retained" in group["logGroupName"]}
