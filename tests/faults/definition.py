"""The state machine's definition, as far as tests are derived from it."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

from demo.execution import DEFINITION


@dataclasses.dataclass(frozen=True)
class Task:
    """A Task state and where it stands."""

    name: str
    parallel: str | None
    """The Parallel state that it is in a branch of."""
    join: str | None
    """The state after that one."""
    later: frozenset[str]
    """The states of its branch that come after it."""
    function: str
    """The logical id of the function that it calls."""
    stage: str
    """What it calls that function as, where several states share one; else empty."""


def document() -> dict[str, Any]:
    """The definition as it is in the repository."""
    return json.loads(DEFINITION.read_text())


@functools.cache
def tasks() -> dict[str, Task]:
    """The Task states by name."""
    found = {}
    for name, state in document()["States"].items():
        if state["Type"] == "Task":
            found[name] = Task(name, None, None, frozenset(), *_called(state))
        for branch in state.get("Branches", []):
            for inner, of_branch in branch["States"].items():
                if of_branch["Type"] == "Task":
                    found[inner] = Task(inner, name, state["Next"], _after(branch["States"], inner), *_called(of_branch))
    return found


def _called(state: dict[str, Any]) -> tuple[str, str]:
    """A Task's function, and what the Task calls it as."""
    return state["Resource"].removeprefix("${").removesuffix("Arn}"), state["Parameters"].get("stage", "")


def _after(states: dict[str, Any], name: str) -> frozenset[str]:
    """The states that follow one where nothing fails."""
    following = []
    while name := states[name].get("Next", ""):
        following.append(name)
    return frozenset(following)


def timed(text: str, state: str, seconds: int) -> str:
    """A deployed definition in which one Task has less time."""
    machine = json.loads(text)
    for states in _machines(machine):
        if state in states:
            states[state]["TimeoutSeconds"] = seconds
    return json.dumps(machine)


def _machines(machine: dict[str, Any]) -> list[dict[str, Any]]:
    found = [machine["States"]]
    for state in machine["States"].values():
        for branch in state.get("Branches", []):
            found += _machines(branch)
    return found
