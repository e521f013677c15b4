"""Two starts at the same instant, a hundred times: always exactly one of them works on the environment.

StartExecution, the machine, the Lock function and its table are what is deployed. Only Preflight, which
knows nothing of locks, is answered by the proxy; so is Bootstrap, the first state that would change
something: whoever comes to it stays there until the other execution is over.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from e2e.provider import Execution, Request
from e2e.world import eventually
from faults import examples
from faults.scenario import Stage, of_state
from localcloud.proxy import Answer, Call, Hold, Proxy, Result, Rule

ROUNDS = 100


@dataclasses.dataclass(frozen=True)
class Round:
    """What came of two starts."""

    request: Request
    executions: list[Execution]
    working: list[Execution]
    """Those that came as far as Bootstrap."""
    abandoned: str
    """The execution that had left its lock, if one had."""
    holder: str | None
    """Who holds the lock afterwards."""


def contest(stage: Stage, proxy: Proxy, request: Request, checked: dict[str, Any], number: int, abandoned: str) -> Round:
    """Starts a request twice at the same instant."""
    over, together = threading.Event(), threading.Barrier(2)

    def passed(call: Call) -> dict[str, Any]:
        return checked | {"execution": json.loads(call.body)["execution"]}

    names = [f"contest-{request['name']}-{number}-{side}" for side in "ab"]
    arrived = {name: Rule(of_state("Bootstrap", name), Hold(over, Answer("Failed", "thrown by a test"))) for name in names}
    rules = [*arrived.values(), *(Rule(of_state("Preflight", name), Result(passed)) for name in names)]

    def start(name: str) -> str:
        together.wait()
        return stage.start(request, name)

    if abandoned:
        stage.provider.leave_lock(request, abandoned)
    proxy.add(*rules)
    try:
        with ThreadPoolExecutor(2) as executor:
            arns = list(executor.map(start, names))
        try:
            eventually(lambda: any(_over(stage, arn) for arn in arns), f"the end of one of {names}")
        finally:
            over.set()
        ended = [stage.wait(arn) for arn in arns]
    finally:
        proxy.remove(*rules)
    working = [execution for execution, name in zip(ended, names, strict=True) if arrived[name].seen]
    return Round(request, ended, working, abandoned, stage.provider.holder(request))


def _over(stage: Stage, arn: str) -> bool:
    return stage.client.describe_execution(executionArn=arn)["status"] != "RUNNING"


@pytest.fixture(scope="module")
def rounds(undisturbed: dict[str, Execution], first: Stage, proxy: Proxy) -> list[Round]:
    """Several environments side by side. Every other round begins with the lock of an execution that is over."""

    def play(name: str) -> list[Round]:
        checked = undisturbed[name].outputs("Preflight")
        return [
            contest(first, proxy, examples.requests()[name], checked, number, undisturbed[name].arn if number % 2 else "")
            for number in range(ROUNDS // len(undisturbed))
        ]

    with ThreadPoolExecutor(len(undisturbed)) as executor:
        return [each for played in executor.map(play, sorted(undisturbed)) for each in played]


def test_exactly_one_of_two_works(rounds: list[Round]) -> None:
    assert len(rounds) == ROUNDS
    assert [len(each.working) for each in rounds] == [1] * ROUNDS


def test_the_other_is_told_who_does(rounds: list[Round]) -> None:
    for each in rounds:
        (winner,) = each.working
        (loser,) = [execution for execution in each.executions if execution is not winner]
        cause = loser.failed("Conflict")
        assert cause["stage"] == "Lock"
        assert winner.arn in cause["message"]
        # A link to the holder in the console, for a click.
        assert f"https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/{winner.arn}" in cause["next"]
        assert winner.failed("Internal")["stage"] == "Bootstrap"


def test_lock_of_an_execution_that_is_over_is_taken_by_one(rounds: list[Round]) -> None:
    took = [each for each in rounds if each.abandoned]
    assert len(took) >= ROUNDS // 2 - len(examples.requests())
    for each in rounds:
        (winner,) = each.working
        assert winner.outputs("Lock")["lock"].get("takenFrom", "") == each.abandoned


def test_lock_is_free_after_each_round(rounds: list[Round]) -> None:
    assert [each.holder for each in rounds] == [None] * ROUNDS
