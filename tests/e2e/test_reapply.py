"""The same request again finds everything as it should be and touches nothing."""

from __future__ import annotations

import time

from e2e.provider import Environment, Provider
from e2e.world import World


def test_every_stage_is_unchanged(provider: Provider, fargate: Environment) -> None:
    result = provider.run(fargate.request).succeeded().result
    assert {stage["stage"]: stage["change"] for stage in result["stages"]} == {
        "Lock": "unchanged", "Bootstrap": "unchanged", "Network": "unchanged", "Identity": "unchanged",
        "Cluster": "unchanged", "DeployKubectl": "unchanged", "Access": "unchanged", "Register": "unchanged",
    }
    assert result["changed"] is False
    assert result["outputs"] == fargate.result["outputs"]


def test_no_call_changes_anything_in_the_target_account(provider: Provider, world: World, fargate: Environment) -> None:
    # The record does see such calls: the first execution made some.
    assert world.calls(0, fargate.account)
    since = time.time()
    provider.run(fargate.request).succeeded()
    assert world.calls(since, fargate.account) == []


def test_orchestrator_writes_its_lock_and_history_only(provider: Provider, world: World, fargate: Environment) -> None:
    since = time.time()
    provider.run(fargate.request).succeeded()
    written = {call.partition(" by ")[0] for call in world.calls(since, "111111111111")}
    assert written == {"states:StartExecution", "dynamodb:PutItem", "dynamodb:DeleteItem"}


def test_nothing_is_written_into_the_cluster(provider: Provider, world: World, fargate: Environment) -> None:
    # The filter does see such writes: the first execution made some.
    assert world.writes("opa-development-cluster")
    since = time.time()
    provider.run(fargate.request).succeeded()
    assert world.writes("opa-development-cluster", since) == []
