"""A control group that gives its processes a part of a processor, as Lambda does by memory size."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

# Lambda schedules in periods of 20 ms.
_PERIOD = 20_000


@contextlib.contextmanager
def limited(cores: float) -> Iterator[pathlib.Path | None]:
    """Yields the folder of a group, or None where groups cannot be made; removes it afterwards."""
    quota = int(cores * _PERIOD)
    root = pathlib.Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    group = (root if unified else root / "cpu") / f"bench-{os.getpid()}"
    try:
        group.mkdir()
        if unified:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()
