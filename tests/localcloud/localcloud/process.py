"""Processes that outlive the command that started them.

Every process is started as the leader of its own session and written down with its start
time, so that a later `stop` ends exactly that process and its children, never a stranger
that was given the same number, and also when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A process as it was written down."""

    name: str
    pid: int
    started: int
    file: pathlib.Path

    def members(self) -> list[int]:
        """The living processes of its session, itself included."""
        return [pid for pid, session, started in _processes() if session == self.pid and started >= self.started]


def _processes() -> list[tuple[int, int, int]]:
    """(pid, session, start time in clock ticks) of all processes that are not zombies; proc(5)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = pathlib.Path("/proc", entry, "stat").read_text()
        except OSError:
            continue  # ended meanwhile
        fields = text.rpartition(")")[2].split()
        if fields[0] != "Z":
            found.append((int(entry), int(fields[3]), int(fields[19])))
    return found


def spawn(name: str, command: list[str], env: dict[str, str], log: pathlib.Path, pids: pathlib.Path) -> subprocess.Popen:
    """Start command in its own session and write it down under pids."""
    pids.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    started = next((s for pid, _, s in _processes() if pid == process.pid), 0)
    partial = pids / f".{name}.partial"
    partial.write_text(json.dumps({"name": name, "pid": process.pid, "started": started}))
    partial.replace(pids / f"{name}.json")
    return process


def recorded(pids: pathlib.Path) -> list[Recorded]:
    """All processes written down under pids."""
    result = []
    for file in sorted(pids.glob("*.json")):
        entry = json.loads(file.read_text())
        result.append(Recorded(entry["name"], entry["pid"], entry["started"], file))
    return result


def stop(processes: list[Recorded], grace: float = 10) -> None:
    """End the processes and their children: first by request, after grace seconds by force."""
    for process in processes:
        _signal(process.members(), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(p.members() for p in processes):
        if time.monotonic() > deadline:
            for process in processes:
                _signal(process.members(), signal.SIGKILL)
        time.sleep(0.05)
    for process in processes:
        process.file.unlink(missing_ok=True)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # ended meanwhile
            os.kill(pid, number)
