"""The same definition on two interpreters: the same path, output and failure."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from e2e.provider import Execution, example
from faults import examples
from faults.scenario import Stage, of_state, path
from localcloud.proxy import Answer, Rule

# What differs between two executions on one interpreter as well.
VOLATILE = ("seconds", "consoleUrl", "startedAt", "endedAt")


def settled(document: Any) -> Any:
    """A document without what differs from execution to execution."""
    if isinstance(document, dict):
        return {k: settled(v) for k, v in document.items() if k not in VOLATILE}
    if isinstance(document, list):
        return [settled(v) for v in document]
    return document


@pytest.mark.parametrize("name", sorted(examples.requests()))
def test_second_interpreter_makes_the_environment(made: dict[str, Execution], name: str) -> None:
    result = made[name].succeeded().result
    changes = {stage["change"] for stage in result["stages"]}
    assert "created" in changes
    assert made[name].faults == [f for f in made[name].faults if f["error"] == "InProgress"]


@pytest.fixture(scope="module")
def again(undisturbed: dict[str, Execution], second: Stage) -> dict[str, Execution]:
    """What the second interpreter says when everything is made."""
    requests = examples.requests()
    started = {name: second.start(requests[name], f"again-{name}") for name in undisturbed}
    return {name: second.wait(arn).succeeded() for name, arn in started.items()}


@pytest.mark.parametrize("name", sorted(examples.requests()))
def test_interpreters_agree_on_an_example(undisturbed: dict[str, Execution], again: dict[str, Execution], name: str) -> None:
    assert path(undisturbed[name]) == path(again[name])
    assert settled(undisturbed[name].result) == settled(again[name].result)
    assert {stage["change"] for stage in again[name].result["stages"]} <= {"unchanged", ""}


@pytest.mark.parametrize("sent", ['"a text"', "[]", "{}", '{"name": 1}'])
def test_interpreters_agree_on_bad_input(first: Stage, second: Stage, sent: str) -> None:
    ended = [stage.run(json.loads(sent), "bad") for stage in (first, second)]
    assert path(ended[0]) == path(ended[1])
    assert settled(ended[0].failed("InvalidRequest")) == settled(ended[1].failed("InvalidRequest"))


def undone(stage: Stage, name: str) -> Execution:
    """A first creation that fails beside a sibling at work, and is removed again."""
    thrown = json.dumps({"stage": "Identity", "code": "Failed", "message": "thrown by a test", "next": "take the test away"})
    rule = Rule(of_state("Identity", name), Answer("Failed", thrown))
    stage.proxy.add(rule)
    try:
        return stage.wait(stage.start(example("fargate", name=name, cidr="10.80.0.0/24", onFailure="delete"), name))
    finally:
        stage.proxy.remove(rule)


def told(ended: Execution) -> Any:
    """A cause without what tells one environment from another: its name, and ids that were made up for it."""
    text = json.dumps(settled(ended.cause)).replace("undo-other", "undo-first")
    return json.loads(re.sub(r"\b(key/|[a-z]+-)[0-9a-f-]{8,36}\b", r"\1<id>", text))


def test_interpreters_agree_on_undoing(first: Stage, second: Stage) -> None:
    with ThreadPoolExecutor(2) as executor:
        one, other = executor.map(undone, (first, second), ("undo-first", "undo-other"))
    assert path(one) == path(other)
    assert {"RecordFailure", "Undo", "DeleteNetwork", "SweepData", "Failed"} <= set(path(one))
    cause = one.failed("Failed")
    assert (cause["undo"]["status"], cause["leftBehind"]) == ("complete", "nothing")
    assert told(one) == told(other)
