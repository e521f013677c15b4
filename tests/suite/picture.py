"""Draws the state machine into the README, from the definition itself: a Mermaid diagram and a table of its states.

usage: python -m suite.picture [--check]
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from suite import section

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "statemachine" / "provider.asl.json"
README = ROOT / "README.md"

# States that only move data or look at it are left out; arrows are drawn through them.
_SHOWN = {"Task", "Parallel", "Fail"}

# What stands at the arrow of a Choice that asks neither for the operation nor for a failed branch.
_ASKED = {"Recorded": "a first creation, with onFailure delete", "Removed": "after a failure"}

Machine = dict[str, Any]


def diagram(machine: Machine) -> str:
    """The machine as the text of a Mermaid flowchart."""
    lines = ["flowchart TD", f"    request([request]) --> {_shown(machine, machine['StartAt'])}"]
    for name, state in machine["States"].items():
        if state["Type"] == "Parallel":
            lines += _parallel(name, state)
    lines += [f"    {source} --> {target}" for source, target in _normal(machine)]
    lines += [f"    {source} -- {operation} --> {target}" for source, operation, target in _elsewhere(machine)]
    lines += [f"    {name} --> result([result document])" for name, state in machine["States"].items() if state.get("End")]
    lines += _failures(machine)
    lines += [f"    {name}{{{{{name}}}}}" for name, state in machine["States"].items() if state["Type"] == "Fail"]
    return "\n".join(lines)


def table(machine: Machine) -> str:
    """The stages in the order of the definition, with what the definition says of them."""
    rows = ["| State | What it does |", "|---|---|"]
    rows += [f"| `{name}` | {state['Comment']} |" for name, state in _tasks(machine)]
    return "\n".join(rows)


def _normal(machine: Machine) -> list[tuple[str, str]]:
    """The arrows of success between the states that are shown."""
    shown = {name: _shown(machine, state.get("Next", "")) for name, state in machine["States"].items() if state["Type"] in _SHOWN}
    return [(name, target) for name, target in shown.items() if target]


def _elsewhere(machine: Machine) -> list[tuple[str, str, str]]:
    """The arrows that another operation takes, by a Choice behind a state that is shown."""
    found = []
    for name, state in machine["States"].items():
        after = machine["States"].get(state.get("Next"), {})
        if state["Type"] in _SHOWN and after.get("Type") == "Choice":
            asked = _ASKED.get(state["Next"], "")
            rules = [(rule.get("StringEquals", asked), rule["Next"]) for rule in after["Choices"]]
            found += [(name, label, _shown(machine, target)) for label, target in rules if label]
    return found


def _failing(machine: Machine) -> list[tuple[str, str]]:
    """The arrows of failure: a Task's Catch, and for a Parallel the Choice behind it.

    Its branches keep their failure to themselves, and the Choice looks for one.
    """
    found = []
    for name, state in machine["States"].items():
        rules = state.get("Catch", [])
        if state["Type"] == "Parallel":
            rules = machine["States"].get(state.get("Next"), {}).get("Choices", [])
        if state["Type"] in _SHOWN:
            found += [(name, _shown(machine, rule["Next"])) for rule in rules]
    return found


def _shown(machine: Machine, name: str) -> str:
    """The state itself if it is shown, else the first one behind it that is; empty if there is none."""
    while name and (state := machine["States"][name])["Type"] not in _SHOWN:
        name = state.get("Next") or state.get("Default", "")
    return name


def _parallel(name: str, state: dict[str, Any]) -> list[str]:
    lines = [f'    subgraph {name}["{name}: side by side"]', "        direction LR"]
    for branch in state["Branches"]:
        lines.append(f"        {_shown(branch, branch['StartAt'])}")
        lines += [f"        {source} --> {target}" for source, target in _normal(branch)]
    return [*lines, "    end"]


def _failures(machine: Machine) -> list[str]:
    """One arrow for all stages that fail to the same state, if all but that state do."""
    lines, failing = [], _failing(machine)
    for target in dict.fromkeys(target for _, target in failing):
        sources = {source for source, to in failing if to == target}
        others = {name for name, state in machine["States"].items() if state["Type"] in ("Task", "Parallel")} - {target}
        if sources == others:
            lines.append(f"    failure([failure of any stage]) -.-> {target}")
        else:
            lines += [f"    {source} -. its own failure .-> {target}" for source in sorted(sources)]
    return lines


def _tasks(machine: Machine) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        if state["Type"] == "Task":
            yield name, state
        for branch in state.get("Branches", []):
            yield from _tasks(branch)


def main() -> int:
    """Writes diagram and table, or with --check says whether they are current."""
    machine = json.loads(DEFINITION.read_text())
    body = f"```mermaid\n{diagram(machine)}\n```\n\n{table(machine)}"
    problem = section.update(README, "state machine", body, check="--check" in sys.argv[1:])
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
