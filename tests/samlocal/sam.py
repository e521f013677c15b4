"""SAM local's two ways of running a function: once, and behind an endpoint with warm containers."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from demo.cloud import ROOT
from localcloud.cloud import free_port

SAM = pathlib.Path(sys.prefix).parent / "sam" / "bin" / "sam"
START_SECONDS = 60
STOP_SECONDS = 60


class SamFailed(Exception):
    """SAM local did not do what it was asked; the text is what it said."""


def environment() -> dict[str, str]:
    """Nothing of this machine's own AWS settings reaches a container."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return kept | {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0", "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": "60"}


def invoke(template: pathlib.Path, function: str, event: Any) -> Any:
    """What a function answers in a new container."""
    done = subprocess.run(
        [str(SAM), "local", "invoke", function, "--template", str(template), "--event", "-", "--skip-pull-image"],
        input=json.dumps(event),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise SamFailed(f"sam local invoke {function}: {done.stdout}{done.stderr}") from None


class Endpoint:
    """`sam local start-lambda` for the functions of a template, each in a container that is kept."""

    def __init__(self, template: pathlib.Path, log: pathlib.Path) -> None:
        self._port, self._log = free_port(), log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                [
                    str(SAM),
                    "local",
                    "start-lambda",
                    "--template",
                    str(template),
                    "--port",
                    str(self._port),
                    "--warm-containers",
                    "LAZY",
                    "--skip-pull-image",
                ],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end:
                raise SamFailed(f"sam local start-lambda: {log.read_text()[-2000:]}")
            time.sleep(0.1)

    def url(self, function: str) -> str:
        """Where a function is invoked."""
        return f"http://127.0.0.1:{self._port}/2015-03-31/functions/{function}/invocations"

    def stop(self) -> None:
        """Ends it with its containers."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0
