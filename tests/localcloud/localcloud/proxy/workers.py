"""The processes of functions, found by what Linux tells of them; proc(5)."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

_LOOK = 0.001
"""Seconds between two looks for processes."""
_NEW = 2.0
"""Seconds after which a process certainly is what it is to be, also on a busy machine."""
_SETTLED = 0.1
"""Seconds in which a call certainly reaches a function's process that stands still."""


class Processes:
    """The processes of a function of the local cloud in a directory.

    Looking again costs little: what is another's is not looked at again.
    """

    def __init__(self, function: str, directory: pathlib.Path) -> None:
        self._name, self._place = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), f"TMPDIR={directory}/".encode()
        self._until: dict[int, float] = {}
        """For how long a process is looked at."""

    def now(self) -> list[int]:
        """Those that there are. A new process may be its parent's copy for a moment, and is looked at until that is past."""
        found, at = [], time.monotonic()
        for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            first = pid not in self._until
            if first:
                self._until[pid] = at + _NEW - _age(pid)
            elif self._until[pid] <= at:
                continue
            with contextlib.suppress(OSError):  # ended meanwhile
                variables = pathlib.Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
                if self._name in variables and any(v.startswith(self._place) for v in variables):
                    self._until[pid] = math.inf
                    found.append(pid)
        return found


def _age(pid: int) -> float:
    """For how many seconds there has been a process; a new one that has ended since is none."""
    with contextlib.suppress(OSError):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _stat(pid: int) -> list[str]:
    """What proc(5) tells of a process, from its state on; the name before it may have spaces and brackets."""
    return pathlib.Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()


def kill(function: str, directory: pathlib.Path) -> None:
    """Kills the processes of a function."""
    for pid in Processes(function, directory).now():
        _signal(pid, signal.SIGKILL)


class Victim:
    """A function whose process is stopped before a call reaches it, and killed when the call has.

    Where there is none yet, the process that is started for the call dies while it starts. It is started
    once more then, as Lambda does it too, and dies again: until the call is answered.
    """

    def __init__(self, function: str, directory: pathlib.Path) -> None:
        self._processes = Processes(function, directory)
        self._stopped: dict[int, float] = {}
        self._killed: list[int] = []
        self._answered = threading.Event()

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Kills whatever works on the call that is made meanwhile."""
        self._hold()
        killer = threading.Thread(target=self._kill, daemon=True)
        killer.start()
        try:
            yield
        finally:
            self._answered.set()
            killer.join()
            # The next call must not be given to one that is still dying.
            for pid in self._killed:
                _await_end(pid)

    def _hold(self) -> None:
        """Stops the processes that there are, so that they take a call and do nothing about it."""
        for pid in self._processes.now():
            if pid not in self._stopped:
                _signal(pid, signal.SIGSTOP)
                self._stopped[pid] = time.monotonic()

    def _kill(self) -> None:
        while not self._answered.wait(_LOOK):
            self._hold()
            self._kill_held(time.monotonic() - _SETTLED)
        self._kill_held(math.inf)

    def _kill_held(self, since: float) -> None:
        """Kills what has been stopped since then or before."""
        for pid in [pid for pid, stopped in self._stopped.items() if stopped <= since]:
            _signal(pid, signal.SIGKILL)
            self._killed.append(pid)
            del self._stopped[pid]


def _await_end(pid: int) -> None:
    """Returns when a process that was killed has ended, whether or not its parent knows."""
    with contextlib.suppress(OSError):
        while _stat(pid)[0] != "Z":
            time.sleep(_LOOK)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # ended meanwhile
        os.kill(pid, number)
