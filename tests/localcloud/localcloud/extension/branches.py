"""Step Functions: what happens inside the branches of a Parallel state."""

from __future__ import annotations

import copy
import json
from typing import Any

from ministack.services import stepfunctions as sfn

_WITH_EXECUTION = {"Task", "Parallel", "Map"}


def run_branch(states: dict[str, Any], start: str, document: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
    """Run a branch to its end and return its output.

    MiniStack writes no events for the states of a branch and shares one context object among the
    branches, so that a state may see its sibling's name and entry time. AWS does neither.
    """
    context = {**context}
    document = copy.deepcopy(document)
    name: str | None = start
    # An execution that was stopped or timed out runs no further state.
    while name and execution["status"] == "RUNNING":
        state = states.get(name)
        if state is None:
            raise sfn._ExecutionError("States.Runtime", f"State '{name}' not found")
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": sfn.now_iso(), "RetryCount": 0}
        _event(execution, f"{kind}StateEntered", "stateEnteredEventDetails", name=name, input=document)
        if kind == "Fail":
            raise sfn._ExecutionError(*sfn._fail_state_error(state, document, context))
        entered = name
        if kind == "Succeed":
            document = sfn._apply_output_path(state, sfn._apply_input_path(state, document, context), context)
            name = None
        else:
            execute = getattr(sfn, f"_execute_{kind.lower()}")
            arguments = (execution, context) if kind in _WITH_EXECUTION else (context,)
            document, name = execute(state, document, *arguments)
        _event(execution, f"{kind}StateExited", "stateExitedEventDetails", name=entered, output=document)
    return document


def _event(execution: dict[str, Any], kind: str, details: str, name: str, **document: Any) -> None:
    sfn._add_event(execution, kind, {details: {"name": name, **{k: json.dumps(v) for k, v in document.items()}}})


def install() -> None:
    """Bind the branch runner anew."""
    sfn._run_sub_machine = run_branch
