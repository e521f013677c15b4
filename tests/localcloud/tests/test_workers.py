"""A function's processes are found, also those that are about to become one."""

from __future__ import annotations

import pathlib
import subprocess
import time

from localcloud.proxy.workers import Processes, Victim

_BECOMES = "read line; exec env AWS_LAMBDA_FUNCTION_NAME=one TMPDIR={directory}/one sleep 60"


def test_a_process_is_found_when_it_has_become_the_functions(tmp_path: pathlib.Path) -> None:
    """Between fork and exec a process has its parent's variables: the first look sees it like that."""
    with subprocess.Popen(["sh", "-c", _BECOMES.format(directory=tmp_path)], stdin=subprocess.PIPE, text=True) as child:
        try:
            processes = Processes("one", tmp_path)
            assert processes.now() == []
            child.stdin.write("\n")
            child.stdin.flush()
            end, found = time.monotonic() + 10, []
            while not found and time.monotonic() < end:
                found = processes.now()
            assert found == [child.pid]
            assert processes.now() == [child.pid]
            assert Processes("another", tmp_path).now() == []
        finally:
            child.kill()


def test_a_victim_is_dead_before_the_next_call(tmp_path: pathlib.Path) -> None:
    """The local cloud would give the call to a process that is still dying."""
    variables = {"PATH": "/usr/bin:/bin", "AWS_LAMBDA_FUNCTION_NAME": "one", "TMPDIR": f"{tmp_path}/one"}
    with subprocess.Popen(["sleep", "60"], env=variables) as child:
        with Victim("one", tmp_path).during():
            assert child.poll() is None
        assert child.poll() == -9
