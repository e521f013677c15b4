"""Work that goes on after a call was answered."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any


def run(function: Callable[..., Any], *arguments: Any) -> None:
    """Run in a thread that keeps the account and region of the request."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(function, *arguments), daemon=True).start()
