"""Every fault at every state: the attempts, the path and the end, with a record and the lock given back.

One fault at each state by default; FAULTS=all plays all of them, FAULTS=Lock,Access all at these states.
"""

from __future__ import annotations

import json
import os
import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.provider import Execution
from e2e.world import eventually
from faults import definition, examples
from faults.scenario import OTHER, Outcome, Scenario, Stage, expected_path, path
from faults.table import EACH_STATE, FAULTS, IN_PROGRESS
from localcloud.proxy import Cut

SHORT = [Scenario(state, *chosen) for state, chosen in EACH_STATE.items()]
ALL = [Scenario(state, fault, once) for state in IN_PROGRESS for fault in FAULTS for once in (True, False)]


def chosen() -> list[Scenario]:
    """What is played: once and for ever are the same for what ends an execution at once."""
    states = os.environ.get("FAULTS", "")
    if not states:
        return SHORT
    return [s for s in ALL if (states == "all" or s.state in states.split(",")) and not (s.once and s.attempts == 1)]


SCENARIOS = chosen()

Played = dict[Scenario, tuple[str, Outcome]]


@pytest.fixture(scope="module")
def played(undisturbed: dict[str, Execution], first: Stage) -> Played:
    """All scenarios, as many at a time as there are environments; with the environment that each was played on."""
    requests, free, outcomes = examples.requests(), queue.SimpleQueue[str](), Played()
    for name in undisturbed:
        free.put(name)

    def play(scenario: Scenario) -> None:
        name = free.get()
        try:
            outcomes[scenario] = name, first.play(scenario, requests[name])
            # The next one would find the lock that a recorder by event has yet to release.
            eventually(lambda: first.provider.holder(requests[name]) is None, f"{scenario}: the lock's release")
        finally:
            free.put(name)

    with ThreadPoolExecutor(len(undisturbed)) as executor:
        list(executor.map(play, [s for s in SCENARIOS if not s.what.alone]))
    for scenario in SCENARIOS:
        if scenario.what.alone:
            play(scenario)
    return outcomes


def test_every_state_is_in_the_table() -> None:
    tasks = set(definition.tasks())
    assert set(IN_PROGRESS) == tasks
    assert set(EACH_STATE) == tasks


def test_short_run_has_every_kind_of_fault() -> None:
    kinds = {(type(s.what.disturbance), s.once) for s in SHORT}
    assert {kind for kind, _ in kinds} == {type(f.disturbance) for f in FAULTS.values()}
    codes = {"InvalidRequest", "Conflict", "AccessDenied", "QuotaExceeded", "InProgress", "Throttled", "Transient", "Failed", "Internal"}
    assert codes <= {s.fault for s in SHORT}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_fault(played: Played, undisturbed: dict[str, Execution], first: Stage, scenario: Scenario) -> None:
    name, outcome = played[scenario]
    ended = outcome.execution
    assert outcome.calls == scenario.attempts
    whole = [e["stateEnteredEventDetails"]["name"] for e in undisturbed[name].history if "stateEnteredEventDetails" in e]
    assert path(ended) == expected_path(scenario, whole)
    if scenario.state == "RecordFailure":
        _ends_with_a_failed_recorder(ended, scenario)
    elif scenario.error:
        cause = ended.failed(scenario.error)
        assert (cause["stage"], cause["code"]) == (scenario.state, scenario.error)
        assert scenario.what.said in cause["message"]
        assert cause["next"]
    else:
        ended.succeeded()
    _is_recorded(first, name, ended)


def _ends_with_a_failed_recorder(ended: Execution, scenario: Scenario) -> None:
    """The first failure is what the user reads, unless it could not be recorded."""
    if not scenario.error:
        assert ended.failed("Internal")["stage"] == OTHER
        return
    assert (ended.status, ended.error) == ("FAILED", "Internal")
    assert "could not be recorded" in ended.description["cause"]


def _is_recorded(stage: Stage, name: str, ended: Execution) -> None:
    """One row for the execution, with its end; nobody holds the environment."""
    request = examples.requests()[name]

    def rows() -> list[dict[str, str]]:
        return [row for row in stage.provider.past(request) if row["execution"] == ended.arn]

    (row,) = eventually(rows, f"a record of {ended.arn}")
    assert row["status"] == ended.status
    if ended.status == "FAILED":
        document = json.loads(row["document"])
        assert document["message"]
        # All stacks are at rest, and there.
        assert len([line for line in document["exists"] if line.endswith("_COMPLETE")]) >= 8
    assert stage.provider.holder(request) is None


@pytest.fixture(scope="module")
def played_by_second(played: Played, second: Stage) -> dict[Scenario, Outcome]:
    """The scenarios of the short run that end in a failure, by the second interpreter."""
    requests = examples.requests()
    of: dict[str, list[Scenario]] = {}
    for scenario in SHORT:
        if scenario in played and scenario.error and scenario.state not in UNRECORDED:
            of.setdefault(played[scenario][0], []).append(scenario)

    def play(name: str) -> dict[Scenario, Outcome]:
        return {scenario: second.play(scenario, requests[name]) for scenario in of[name]}

    with ThreadPoolExecutor(max(len(of), 1)) as executor:
        return {scenario: outcome for part in executor.map(play, of) for scenario, outcome in part.items()}


UNRECORDED = ("RecordFailure",)
"""Its failure is recorded by an event, and the second interpreter sends none."""


def test_interpreters_agree_on_failures(played: Played, played_by_second: dict[Scenario, Outcome]) -> None:
    assert len(played_by_second) >= (10 if set(SHORT) <= set(played) else 0)
    for scenario, outcome in played_by_second.items():
        one, other = played[scenario][1], outcome
        assert other.calls == one.calls, scenario
        assert path(other.execution) == path(one.execution), scenario
        assert (other.execution.status, other.execution.error) == (one.execution.status, one.execution.error), scenario
        # Each has words of its own for a connection that ended.
        words = {"message"} if isinstance(scenario.what.disturbance, Cut) else set()
        causes = [{k: v for k, v in o.execution.cause.items() if k not in words} for o in (other, one)]
        assert causes[0] == causes[1], scenario


def test_scenarios_left_the_environments_whole(played_by_second: dict[Scenario, Outcome], first: Stage) -> None:
    assert played_by_second
    started = {name: first.start(request, f"after-{name}") for name, request in examples.requests().items()}
    for name, arn in started.items():
        result = first.wait(arn).succeeded().result
        assert {stage["change"] for stage in result["stages"]} <= {"unchanged", ""}, name
