"""What a test lets stand in the way of a stack's resources: a JSON file that is read at each operation on one.

A resource that cannot be made leaves its stack in ROLLBACK_COMPLETE, one that cannot be removed in
DELETE_FAILED, and so on: half-made stacks come about as on AWS, by what CloudFormation does then.
"""

from __future__ import annotations

import dataclasses
import json
import threading

from localcloud.layout import Layout

_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """An operation on a resource that fails."""

    stack: str
    resource: str
    """The logical id."""
    operation: str
    """create, update or delete."""
    region: str
    passes: int = 0
    """So many operations go through before the first one fails."""


def read(layout: Layout) -> list[Obstacle]:
    """What stands in the way now."""
    try:
        return [Obstacle(**entry) for entry in json.loads(layout.obstacles.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def add(layout: Layout, *obstacles: Obstacle) -> None:
    """Puts obstacles up."""
    with _lock:
        _write(layout, [*read(layout), *obstacles])


def remove(layout: Layout, *obstacles: Obstacle) -> None:
    """Takes obstacles away."""
    with _lock:
        _write(layout, [o for o in read(layout) if o not in obstacles])


def _write(layout: Layout, obstacles: list[Obstacle]) -> None:
    # Replaced as a whole: the server never reads half a file.
    draft = layout.obstacles.with_suffix(".new")
    draft.write_text(json.dumps([dataclasses.asdict(o) for o in obstacles]), encoding="utf-8")
    draft.replace(layout.obstacles)
