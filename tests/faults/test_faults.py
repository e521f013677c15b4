"""Every fault at every state: the attempts, the path and the end, with a record and the lock given back.

One fault at each state by default; FAULTS=all plays all of them, FAULTS=Lock,killed all at these states and of these kinds.
"""

from __future__ import annotations

import json
import os
import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.provider import Execution, Request
from e2e.world import eventually
from faults import definition, examples
from faults.scenario import OTHER, Outcome, Scenario, Stage, entered, expected_path, path
from faults.table import EACH_STATE, FAULTS, IN_PROGRESS, OPERATION
from localcloud.proxy import Cut, Kill

SHORT = [Scenario(state, *chosen) for state, chosen in EACH_STATE.items()]
ALL = [
    Scenario(state, fault, once)
    for state in IN_PROGRESS
    for fault in FAULTS
    for once in (True, False)
    # A process that is started for a call cannot be held before it: the later attempts would be a race. What
    # comes of deaths for ever is played with Runtime.ExitError, which is what they are told as.
    if once or not isinstance(FAULTS[fault].disturbance, Kill)
]


def chosen() -> list[Scenario]:
    """What is played: once and for ever are the same for what ends an execution at once."""
    wanted = os.environ.get("FAULTS", "")
    if not wanted:
        return SHORT
    return [s for s in ALL if (wanted == "all" or {s.state, s.fault} & set(wanted.split(","))) and not (s.once and s.attempts == 1)]


SCENARIOS = chosen()

Played = dict[Scenario, tuple[str, Outcome]]
Ways = dict[tuple[str, str], list[str]]
"""The states of an execution without a fault, in their order, by environment and operation."""


def request(name: str, operation: str) -> Request:
    """The request of an example for an operation. A removal is of an environment that was never made."""
    changes = {"operation": operation} | ({"name": f"no-{name}"} if operation == "delete" else {})
    return examples.requests()[name] | (changes if operation != "apply" else {})


def operation_of(scenario: Scenario) -> str:
    """What has to be asked for to come to a scenario's state."""
    return OPERATION.get(scenario.state, "apply")


@pytest.fixture(scope="module")
def ways(undisturbed: dict[str, Execution], first: Stage) -> Ways:
    """What happens where nothing is disturbed."""
    found = Ways()
    for name, execution in undisturbed.items():
        found[name, "apply"] = entered(execution)
        for operation in sorted(set(OPERATION.values())):
            found[name, operation] = entered(first.run(request(name, operation), f"{operation}-{name}").succeeded())
    return found


@pytest.fixture(scope="module")
def played(ways: Ways, first: Stage) -> Played:
    """All scenarios, as many at a time as there are environments; with the environment that each was played on."""
    free, outcomes = queue.SimpleQueue[str](), Played()
    names = sorted(examples.requests())
    for name in names:
        free.put(name)

    def play(scenario: Scenario) -> None:
        name = free.get()
        try:
            sent = request(name, operation_of(scenario))
            outcomes[scenario] = name, first.play(scenario, sent)
            # The next one would find the lock that a recorder by event has yet to release.
            eventually(lambda: first.provider.holder(sent) is None, f"{scenario}: the lock's release")
        finally:
            free.put(name)

    with ThreadPoolExecutor(len(names)) as executor:
        list(executor.map(play, [s for s in SCENARIOS if not s.what.alone]))
    for scenario in SCENARIOS:
        if scenario.what.alone:
            play(scenario)
    return outcomes


def test_every_state_is_in_the_table() -> None:
    tasks = set(definition.tasks())
    assert set(IN_PROGRESS) == tasks
    assert set(EACH_STATE) == tasks
    assert set(OPERATION) <= tasks


def test_short_run_has_every_kind_of_fault() -> None:
    kinds = {(type(s.what.disturbance), s.once) for s in SHORT}
    assert {kind for kind, _ in kinds} == {type(f.disturbance) for f in FAULTS.values()}
    codes = {"InvalidRequest", "Conflict", "AccessDenied", "QuotaExceeded", "InProgress", "Throttled", "Transient", "Failed", "Internal"}
    assert codes <= {s.fault for s in SHORT}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_fault(played: Played, ways: Ways, first: Stage, scenario: Scenario) -> None:
    name, outcome = played[scenario]
    ended = outcome.execution
    assert outcome.calls == scenario.attempts
    operation = operation_of(scenario)
    assert path(ended) == expected_path(scenario, ways[name, operation])
    if scenario.state == "RecordFailure":
        _ends_with_a_failed_recorder(ended, scenario)
    elif scenario.error:
        cause = ended.failed(scenario.error)
        assert (cause["stage"], cause["code"]) == (scenario.state, scenario.error)
        assert scenario.what.said in cause["message"]
        assert cause["next"]
    else:
        ended.succeeded()
    _is_recorded(first, request(name, operation), ended, operation)


def _ends_with_a_failed_recorder(ended: Execution, scenario: Scenario) -> None:
    """The first failure is what the user reads, unless it could not be recorded."""
    if not scenario.error:
        assert ended.failed("Internal")["stage"] == OTHER
        return
    assert (ended.status, ended.error) == ("FAILED", "Internal")
    assert "could not be recorded" in ended.description["cause"]


def _is_recorded(stage: Stage, sent: Request, ended: Execution, operation: str) -> None:
    """One row for the execution, with its end; nobody holds the environment. A plan has no row."""

    def rows() -> list[dict[str, str]]:
        return [row for row in stage.provider.past(sent) if row["execution"] == ended.arn]

    if operation == "plan":
        # It changes nothing and holds no lock, so that the cause is all there is to say.
        assert rows() == []
        return
    (row,) = eventually(rows, f"a record of {ended.arn}")
    assert row["status"] == ended.status
    if ended.status == "FAILED":
        document = json.loads(row["document"])
        assert document["message"]
        # All stacks are at rest, and there; or there never were any.
        at_rest = [line for line in document.get("exists", []) if line.endswith("_COMPLETE")]
        assert len(at_rest) >= 8 if operation != "delete" else document.get("exists", []) == []
    assert stage.provider.holder(sent) is None


@pytest.fixture(scope="module")
def played_by_second(played: Played, second: Stage) -> dict[Scenario, Outcome]:
    """The scenarios of the short run that end in a failure, by the second interpreter."""
    of: dict[str, list[Scenario]] = {}
    for scenario in SHORT:
        if scenario in played and scenario.error and scenario.state not in UNRECORDED:
            of.setdefault(played[scenario][0], []).append(scenario)

    def play(name: str) -> dict[Scenario, Outcome]:
        return {scenario: second.play(scenario, request(name, operation_of(scenario))) for scenario in of[name]}

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
        for cause in causes:
            # Log groups and the like come into being between the one look and the other, and a stack's status
            # tells whether scenarios in between have updated it.
            cause["exists"] = [line.split()[0] for line in cause["exists"] if line.startswith("EKS-ENV-")]
        assert causes[0] == causes[1], scenario


@pytest.mark.usefixtures("played_by_second")
def test_scenarios_left_the_environments_whole(played: Played, first: Stage) -> None:
    # The provider stack names the machine that its deletion starts, and these scenarios have a machine of their own.
    elsewhere = {name for scenario, (name, _) in played.items() if scenario.what.timeout}
    started = {name: first.start(sent, f"after-{name}") for name, sent in examples.requests().items()}
    for name, arn in started.items():
        result = first.wait(arn).succeeded().result
        changed = {stage["stage"]: stage["change"] for stage in result["stages"] if stage["change"] not in ("unchanged", "")}
        assert changed in ({}, {"Register": "updated"} if name in elsewhere else {}), name
