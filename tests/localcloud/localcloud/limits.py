"""What a test may set of the accounts' limits while the local cloud runs: one JSON file that is read at each call.

{"quotas": {"vpc/L-F678F1CE": 5}, "notOffered": {"m5.large": ["us-east-1a"], "ecr.dkr": ["us-east-1b"]}}
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from localcloud.layout import Layout


def read(layout: Layout) -> dict[str, Any]:
    """What is set now."""
    try:
        return json.loads(layout.limits.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


@contextlib.contextmanager
def setting(layout: Layout, **limits: Any) -> Iterator[None]:
    """Sets limits for as long as the block lasts."""
    # Replaced as a whole: the server never reads half a file.
    draft = layout.limits.with_suffix(".new")
    draft.write_text(json.dumps(limits), encoding="utf-8")
    draft.replace(layout.limits)
    try:
        yield
    finally:
        layout.limits.unlink()
