"""What the service role of a stack lacks: a report, since MiniStack's CloudFormation acts as the system.

The registry schema of a type names the permissions its handlers may use. A handler rarely uses
all of them, so nothing is refused; what no statement of the role allows, on any resource, is
written down, and `localcloud rights` prints it.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from ministack.core import iam_evaluator
from ministack.services.cloudformation import stacks

from localcloud import schema
from localcloud.extension import stack_requests
from localcloud.settings import Settings


def install(settings: Settings) -> None:
    """Look at every operation on a resource of a stack that has a service role."""
    seen: set[tuple[str, str, str]] = set()

    def note(operation: str, type_name: str, stack: str) -> None:
        role = stack_requests.role_of(stack)
        if not role or (role, type_name, operation) in seen:
            return
        seen.add((role, type_name, operation))
        missing = lacking(role, type_name, operation)
        if missing:
            line = {"role": role, "stack": stack, "type": type_name, "operation": operation, "missing": missing}
            with open(settings.layout.rights, "a", encoding="utf-8") as report:
                report.write(json.dumps(line) + "\n")

    stacks._provision_resource = _noted(stacks._provision_resource, lambda t, _, __, stack, *___: note("create", t, stack))
    stacks._update_resource = _noted(stacks._update_resource, lambda t, _, __, ___, stack, *____: note("update", t, stack))
    stacks._delete_resource = _noted(stacks._delete_resource, lambda t, _, __, stack, *___: note("delete", t, stack))


def lacking(role: str, type_name: str, operation: str) -> list[str]:
    """The permissions of a handler that no statement of the role allows on any resource."""
    try:
        wanted = schema.load(type_name).permissions(operation)
    except schema.UnknownType:
        return []
    account, name = role.split(":")[4], role.rpartition("/")[2]
    policies = iam_evaluator._gather_role_policies(name, account)
    allowed = [s for policy in policies for s in policy if s.effect == "Allow"]
    return [a for a in wanted if not any(iam_evaluator._action_matches(a, s.actions, s.not_actions) for s in allowed)]


def _noted(original: Any, note: Any) -> Any:
    @functools.wraps(original)
    def handler(*arguments: Any) -> Any:
        note(*arguments)
        return original(*arguments)

    return handler
