"""Draws the state machine as a Mermaid diagram into the README, from the definition itself.

usage: python -m suite.picture [--check]
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "statemachine" / "provider.asl.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- state machine: begin -->", "<!-- state machine: end -->"

# States that only move data are left out of the picture; their arrows are drawn through them.
_SHOWN = {"Task", "Parallel", "Fail"}


def diagram(machine: dict[str, Any]) -> str:
    """The machine as the text of a Mermaid flowchart."""
    lines = ["flowchart TD", "  start([request]) --> " + _target(machine, machine["StartAt"])]
    for name, state in machine["States"].items():
        match state["Type"]:
            case "Parallel":
                lines.append(f"  subgraph {name}")
                lines += [f"    {branch['StartAt']}" for branch in state["Branches"]]
                lines.append("  end")
            case "Fail":
                lines.append(f"  {name}([{name}])")
        if state["Type"] in _SHOWN and "Next" in state and name != "RecordFailure":
            lines.append(f"  {name} --> {_target(machine, state['Next'])}")
        if state["Type"] == "Task" and state.get("End"):
            lines.append(f"  {name} --> done([result document])")
    lines.append("  any[any stage] -. failure .-> RecordFailure --> Failed")
    return "\n".join(lines)


def _target(machine: dict[str, Any], name: str) -> str:
    state = machine["States"][name]
    while state["Type"] not in _SHOWN:
        name = state.get("Next") or state["Default"]
        state = machine["States"][name]
    return name


def main() -> int:
    """Writes the picture, or with --check says whether it is current."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        print(f"README.md lacks the lines {BEGIN} and {END}")
        return 1
    picture = diagram(json.loads(DEFINITION.read_text()))
    new = f"{before}{BEGIN}\n```mermaid\n{picture}\n```\n{END}{after}"
    if "--check" not in sys.argv[1:]:
        README.write_text(new)
    elif new != text:
        print("the picture in README.md is not that of statemachine/provider.asl.json: run `make generate`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
