"""CloudFormation: resources that cannot be made, changed or removed, as a test has it.

A resource whose removal failed in the rollback of a create stays its stack's, as on AWS: the next
DeleteStack tries it again. MiniStack forgets it.
"""

from __future__ import annotations

import collections
import functools
from typing import Any

from ministack.core.responses import get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

from localcloud import obstacles
from localcloud.layout import Layout
from localcloud.obstacles import Obstacle
from localcloud.settings import Settings


class Obstructed(Exception):
    """The resource's handler says no."""


def install(settings: Settings) -> None:
    """Look for obstacles before every operation on a resource."""
    layout = settings.layout
    stacks._provision_resource = _bound(
        layout, "create", stacks._provision_resource, lambda _type, logical, _properties, stack, *_: (stack, logical)
    )
    stacks._update_resource = _bound(
        layout, "update", stacks._update_resource, lambda _type, _id, _old, _new, stack, logical, *_: (stack, logical)
    )
    stacks._delete_resource = _bound(
        layout, "delete", stacks._delete_resource, lambda _type, _id, _properties, stack, logical, *_: (stack, logical)
    )
    stacks._delete_stack_async = handlers._delete_stack_async = _with_leftovers(stacks._delete_stack_async)


def _bound(layout: Layout, operation: str, original: Any, named: Any) -> Any:
    @functools.wraps(original)
    def handler(*arguments: Any) -> Any:
        stack, logical = named(*arguments)
        if any(_met(obstacle) for obstacle in obstacles.read(layout) if _is(obstacle, stack, logical, operation)):
            raise Obstructed(f"Resource handler returned message: {operation} was refused (HandlerErrorCode: GeneralServiceException)")
        return original(*arguments)

    return handler


_seen: collections.Counter[Obstacle] = collections.Counter()


def _is(obstacle: Obstacle, *operation: str) -> bool:
    return (obstacle.stack, obstacle.resource, obstacle.operation, obstacle.region) == (*operation, get_region())


def _met(obstacle: Obstacle) -> bool:
    """Counts an operation, and says whether it fails."""
    _seen[obstacle] += 1
    return _seen[obstacle] > obstacle.passes


def _with_leftovers(original: Any) -> Any:
    @functools.wraps(original)
    async def delete(name: str, *rest: Any, **more: Any) -> None:
        stack = cloudformation._stacks.get(name)
        if stack and stack["StackStatus"] == "ROLLBACK_FAILED":
            for logical, record in stack.pop("_rollback_failed", {}).items():
                stack["_resources"].setdefault(logical, {**record, "ResourceStatus": "DELETE_FAILED"})
        await original(name, *rest, **more)

    return delete
