"""The same request again finds everything as it should be and touches nothing."""

from __future__ import annotations

import dataclasses
import time

import pytest

from e2e.provider import STAGES, Environment, Execution, Provider
from e2e.world import World


@dataclasses.dataclass(frozen=True)
class Again:
    """An environment whose request was sent once more, at a time."""

    environment: Environment
    execution: Execution
    since: float


@pytest.fixture(scope="module", params=["fargate", "managed-nodes"])
def again(provider: Provider, examples: dict[str, Environment], request: pytest.FixtureRequest) -> Again:
    """An example, applied again while nothing else is at work."""
    environment, since = examples[request.param], time.time()
    return Again(environment, provider.run(environment.request).succeeded(), since)


def test_every_stage_is_unchanged(again: Again) -> None:
    result = again.execution.result
    assert {stage["stage"]: stage["change"] for stage in result["stages"]} == dict.fromkeys(STAGES, "unchanged")
    assert result["changed"] is False
    assert result["findings"] == []
    assert result["outputs"] == again.environment.result["outputs"]


def test_no_call_changes_anything_in_the_target_account(world: World, again: Again) -> None:
    # The record does see such calls: the first execution made some.
    assert world.calls(0, again.environment.account)
    assert world.calls(again.since, again.environment.account) == []


def test_orchestrator_writes_lock_history_and_event_only(world: World, again: Again) -> None:
    written = {call.partition(" by ")[0] for call in world.calls(again.since, "111111111111")}
    assert written == {"states:StartExecution", "dynamodb:PutItem", "dynamodb:DeleteItem", "events:PutEvents"}


def test_nothing_is_written_into_the_cluster(world: World, again: Again) -> None:
    cluster = again.environment.result["cluster"]["name"]
    # The filter does see such writes: the first execution made some.
    assert world.writes(cluster)
    assert world.writes(cluster, again.since) == []
