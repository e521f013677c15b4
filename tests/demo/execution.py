"""Follows an execution: which stage stands where, from the execution's history."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Callable
from typing import Any

from .cloud import ROOT

DEFINITION = ROOT / "statemachine" / "provider.asl.json"


@dataclasses.dataclass
class Stage:
    """A Task state of the definition and how it goes."""

    name: str
    section: str
    """The key of its section of the state document; empty if its result is the whole document."""
    entered: datetime.datetime | None = None
    exited: datetime.datetime | None = None
    change: str = ""
    failed: bool = False
    after_failure: bool = False
    """Whether it records a failure, or undoes what was made until then: it carries that failure along."""

    def status(self) -> str:
        """One word on where the stage stands."""
        if self.failed:
            return "failed"
        if self.exited:
            return self.change or "done"
        return "running" if self.entered else "waiting"

    def seconds(self, now: datetime.datetime) -> float | None:
        """How long it ran or has been running."""
        return ((self.exited or now) - self.entered).total_seconds() if self.entered else None


def section(task: dict[str, Any]) -> str:
    """The key of a Task's section: where its result is put, or what it is called in a branch that returns nothing else."""
    key = next(iter(task.get("ResultSelector", {})), task["ResultPath"])
    return key.removesuffix(".$").removeprefix("$").removeprefix(".")


def stages(operation: str = "apply") -> list[Stage]:
    """The Task states that an operation goes through when nothing fails, in their order."""

    def walk(machine: dict[str, Any]) -> list[Stage]:
        found = []
        name = machine["StartAt"]
        while name:
            state = machine["States"][name]
            if state["Type"] == "Task":
                found.append(Stage(name, section(state)))
            for branch in state.get("Branches", []):
                found += walk(branch)
            chosen = [c["Next"] for c in state.get("Choices", []) if c.get("StringEquals") == operation]
            name = chosen[0] if chosen else state.get("Next") or state.get("Default")
        return found

    return walk(json.loads(DEFINITION.read_text()))


def table(history: list[dict[str, Any]], operation: str) -> list[Stage]:
    """Where the stages of an operation stand; after a failure also those that recorded it and undid what was made."""
    rows = {stage.name: stage for stage in stages(operation)}
    others = {stage.name: stage for stage in (Stage("RecordFailure", "failure"), *stages("delete"))}
    for event in history:
        name = event.get("stateEnteredEventDetails", {}).get("name", "")
        if name in others and name not in rows:
            # What no operation goes through when nothing fails comes after a failure.
            rows[name] = dataclasses.replace(others[name], after_failure=True)
    read(history, rows)
    return list(rows.values())


def follow(client: Any, arn: str, show: Callable[[list[Stage]], None]) -> dict[str, Any]:
    """Calls show at every look until the execution has ended; returns its description."""
    while True:
        description = client.describe_execution(executionArn=arn)
        show(table(events(client, arn), json.loads(description["input"]).get("operation") or "apply"))
        if description["status"] != "RUNNING":
            return description
        time.sleep(0.25)


def events(client: Any, arn: str) -> list[dict[str, Any]]:
    """The execution's whole history."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = client.get_execution_history(executionArn=arn, maxResults=1000, **token)
        found += page["events"]
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


def read(history: list[dict[str, Any]], rows: dict[str, Stage]) -> None:
    """Writes into the rows what the history says."""
    for event in history:
        entered = event.get("stateEnteredEventDetails") or {}
        if stage := rows.get(entered.get("name", "")):
            stage.entered = event["timestamp"]
        exited = event.get("stateExitedEventDetails") or {}
        if stage := rows.get(exited.get("name", "")):
            stage.exited = event["timestamp"]
            document = json.loads(exited.get("output") or "{}")
            stage.failed = "failure" in document and not stage.after_failure
            made = document.get(stage.section)
            stage.change = made.get("change", "") if isinstance(made, dict) and not stage.failed else ""
