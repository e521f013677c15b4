"""Step Functions: how an execution ends that does not come to its end by itself.

MiniStack does not look at the machine's TimeoutSeconds, and lets the state of an execution that was
stopped go on: its retries call functions, and its failure replaces ABORTED by FAILED.
"""

from __future__ import annotations

import contextvars
import functools
import json
import threading
from typing import Any

from ministack.services import stepfunctions

_current: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("the execution whose task runs", default=None)


def install() -> None:
    """Give every execution its end, and let nothing follow it."""
    stepfunctions._run_execution = _bounded(stepfunctions._run_execution)
    stepfunctions._execute_task = _known(stepfunctions._execute_task)
    stepfunctions._call_lambda = _living(stepfunctions._call_lambda)
    stepfunctions._fail_execution = _first(stepfunctions._fail_execution)


def _bounded(original: Any) -> Any:
    @functools.wraps(original)
    def run(arn: str) -> None:
        execution = stepfunctions._executions.get(arn) or {}
        machine = stepfunctions._state_machines.get(execution.get("stateMachineArn", "")) or {}
        seconds = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
        if seconds is None:
            return original(arn)
        # The account and the region of the call lie in the context.
        timer = threading.Timer(seconds, contextvars.copy_context().run, (_time_out, execution))
        timer.daemon = True
        timer.start()
        try:
            return original(arn)
        finally:
            timer.cancel()

    return run


def _time_out(execution: dict[str, Any]) -> None:
    if execution.get("status") != "RUNNING":
        return
    execution["status"], execution["stopDate"] = "TIMED_OUT", stepfunctions.now_iso()
    stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    stepfunctions._emit_execution_status_event(execution)


def _known(original: Any) -> Any:
    @functools.wraps(original)
    def execute(state: dict[str, Any], data: Any, execution: dict[str, Any], ctx: Any) -> Any:
        token = _current.set(execution)
        try:
            return original(state, data, execution, ctx)
        finally:
            _current.reset(token)

    return execute


def _living(original: Any) -> Any:
    @functools.wraps(original)
    def invoke(reference: str, event: Any) -> Any:
        execution = _current.get()
        if execution and execution["status"] != "RUNNING":
            # Not caught and not retried, so that the thread of the state ends.
            raise stepfunctions._ExecutionError("States.Runtime", f"the execution is {execution['status']}")
        return original(reference, event)

    return invoke


def _first(original: Any) -> Any:
    @functools.wraps(original)
    def fail(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            original(execution, error, cause)

    return fail
