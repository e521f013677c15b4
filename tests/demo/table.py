"""The live table of stages: repainted on a terminal, a line per finished stage elsewhere."""

from __future__ import annotations

import datetime
import sys
from typing import TextIO

from .execution import Stage

_MARKS = {"waiting": "·", "running": "▸", "failed": "✗"}


class Table:
    """Shows stages as they go."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._painted = 0
        self._told: set[str] = set()

    def show(self, stages: list[Stage]) -> None:
        """Shows where the stages stand now."""
        now = datetime.datetime.now(datetime.UTC)
        if self._live:
            if self._painted:
                self._out.write(f"\x1b[{self._painted}A")
            for stage in stages:
                self._out.write(f"\x1b[2K{_line(stage, now)}\n")
            self._painted = len(stages)
        else:
            for stage in stages:
                if (stage.exited or stage.failed) and stage.name not in self._told:
                    self._told.add(stage.name)
                    self._out.write(_line(stage, now) + "\n")
        self._out.flush()


def _line(stage: Stage, now: datetime.datetime) -> str:
    status = stage.status()
    seconds = stage.seconds(now)
    took = f"{seconds:6.1f} s" if seconds is not None else ""
    return f"  {_MARKS.get(status, '✓')} {stage.name:<16} {status:<10} {took}".rstrip()
