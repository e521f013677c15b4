"""A cluster that takes longer than one attempt of its stage: the attempts are bounded and the execution waits."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from e2e.provider import Environment
from e2e.slow import DELAY


@pytest.fixture(scope="module")
def made(being_slow: Future[tuple[Environment, list[str]]]) -> tuple[Environment, list[str]]:
    """The slow environment and the statuses of its Cluster stack, once it is ready."""
    environment, statuses = being_slow.result(timeout=150)
    environment.execution.succeeded()
    return environment, statuses


@pytest.fixture
def slow(made: tuple[Environment, list[str]]) -> Environment:
    """The slow environment."""
    return made[0]


@pytest.fixture
def statuses(made: tuple[Environment, list[str]]) -> list[str]:
    """The statuses that the Cluster stack was seen in, in their order."""
    return made[1]


def test_slow_cluster_takes_several_attempts(slow: Environment) -> None:
    faults = slow.execution.faults
    assert [fault["error"] for fault in faults] == ["InProgress"] * len(faults)
    about_the_cluster = [fault for fault in faults if "EKS-ENV-opa-development-Cluster" in fault["cause"]]
    assert len(about_the_cluster) >= 2


def test_slow_cluster_was_seen_in_progress(slow: Environment, statuses: list[str]) -> None:
    assert "CREATE_IN_PROGRESS" in statuses
    assert statuses[-1] == "CREATE_COMPLETE"
    (stage,) = [s for s in slow.result["stages"] if s["stage"] == "Cluster"]
    assert stage["change"] == "created"
    assert stage["seconds"] > DELAY
