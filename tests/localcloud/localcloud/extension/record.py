"""Writes one line per AWS API call; see localcloud.calls for the reader."""

from __future__ import annotations

import json
import time
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.core.router import detect_service, extract_access_key_id

from localcloud import calls
from localcloud.settings import Settings


def install(settings: Settings) -> None:
    """Record every request that MiniStack dispatches to a service."""
    dispatch = ministack.app._dispatch_service_request
    # Line-buffered and opened once: a call costs one write.
    record = open(settings.layout.calls, "a", buffering=1, encoding="utf-8")  # noqa: SIM115

    async def recorded(method: str, path: str, headers: dict, body: bytes, query: dict, request_id: str) -> Any:
        began = time.time()
        response = await dispatch(method, path, headers, body, query, request_id)
        if not path.startswith("/_"):
            line = _line(began, method, path, headers, body, query, response[0])
            record.write(json.dumps(line) + "\n")
        return response

    ministack.app._dispatch_service_request = recorded


def _line(began: float, method: str, path: str, headers: dict, body: bytes, query: dict, status: int) -> dict[str, Any]:
    routing = ministack.app._routing_params(method, path, headers, body, query)
    service = detect_service(method, path, headers, routing)
    action = iam_actions.extract_iam_action(service, method, path, headers, body, routing) or f"{service}:{method} {path}"
    caller = iam_evaluator.resolve_caller_identity(extract_access_key_id(headers, query))
    return {
        "time": round(began, 3),
        "account": get_account_id(),
        "service": action.partition(":")[0],
        "action": action.partition(":")[2],
        "principal": caller["userArn"] if caller else None,
        "mutating": calls.mutating(action),
        "status": status,
    }
