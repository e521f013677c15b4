"""The events of tests/events, and what functions have to answer to them when nothing is left to do."""

from __future__ import annotations

import copy
import datetime
import json
from typing import Any

from demo.cloud import ROOT
from demo.execution import DEFINITION, section
from faults import definition

FOLDER = ROOT / "tests" / "events"

_CHANGING = ("seconds", "consoleUrl", "startedAt", "endedAt", "objects")
"""Times, and what was changed: the objects of a cluster that a stage had to write."""


class Recorded:
    """What the states of executions were given, and what they made of it; the first execution of a state counts."""

    def __init__(self, *histories: list[dict[str, Any]]) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        for event in (event for history in histories for event in history):
            if entered := event.get("stateEnteredEventDetails"):
                self.inputs.setdefault(entered["name"], json.loads(entered["input"]))
            if left := event.get("stateExitedEventDetails"):
                self.outputs.setdefault(left["name"], json.loads(left["output"]))


def sections() -> dict[str, str]:
    """The key of each Task state's section in its output; empty if its result is all of that."""

    def walk(machine: dict[str, Any]) -> dict[str, str]:
        found = {}
        for name, state in machine["States"].items():
            if state["Type"] == "Task":
                found[name] = section(state)
            for branch in state.get("Branches", []):
                found |= walk(branch)
        return found

    return walk(json.loads(DEFINITION.read_text()))


def function(state: str) -> str:
    """The logical id of the function that a state calls."""
    return definition.tasks()[state].function


def event(state: str, recorded: Recorded) -> Any:
    """The event of a state's function, with the environment at hand in place of the one in the file."""
    document = json.loads((FOLDER / f"{state.lower()}.json").read_text())
    if "entered" in document:
        document["entered"] = datetime.datetime.now(datetime.UTC).isoformat()
    source = recorded.inputs.get(state) or recorded.inputs["Complete"]
    return _filled(document.get("state", document), source, document)


def _filled(given: dict[str, Any], source: dict[str, Any], document: Any) -> Any:
    for key in given:
        if key in source:
            given[key] = source[key]
    return document


def answer(state: str, recorded: Recorded) -> Any:
    """What the function has to answer: what it answered the machine, with nothing changed."""
    key, output = sections()[state], recorded.outputs[state]
    return output[key] if key else output


def settled(document: Any) -> Any:
    """A document without what differs, and as if nothing had been changed."""
    if isinstance(document, dict):
        kept = {k: settled(v) for k, v in document.items() if k not in _CHANGING}
        return kept | ({"change": "unchanged"} if kept.get("change") else {})
    return [settled(v) for v in document] if isinstance(document, list) else copy.copy(document)
