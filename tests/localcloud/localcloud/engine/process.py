"""Starts and ends the second interpreter."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import boto3

from localcloud import PLATFORM_ACCOUNT, REGION
from localcloud.cloud import free_port
from localcloud.layout import repository

START_SECONDS = 30


class EngineError(Exception):
    """The interpreter did not start; the text says why."""


def python() -> pathlib.Path:
    """Its Python, which `make ready` installs."""
    return repository() / ".local" / "venv" / "engine" / "bin" / "python"


@contextlib.contextmanager
def running(directory: pathlib.Path, tasks_port: int, wait_scale: float = 1.0) -> Iterator[Any]:
    """A Step Functions client of an interpreter that ends with the block; its tasks call functions at a port of this machine."""
    port, log = free_port(), directory / "engine.log"
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[2]),
        "MOTO_PORT": str(tasks_port),
        "MOTO_ACCOUNT_ID": PLATFORM_ACCOUNT,
        "ENGINE_WAIT_SCALE": str(wait_scale),
    }
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(python()), "-m", "localcloud.engine.server", str(port)], env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        client = boto3.client(
            "stepfunctions",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=REGION,
            aws_access_key_id="engine",
            aws_secret_access_key="engine",
        )
        _wait(client, process, log)
        yield client
    finally:
        process.terminate()
        process.wait()


def _wait(client: Any, process: subprocess.Popen, log: pathlib.Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            client.list_state_machines()
            return
        except client.exceptions.ClientError:
            raise
        except Exception as error:  # botocore has a class for each way of not being there
            if process.poll() is not None or time.monotonic() > end:
                raise EngineError(f"the interpreter did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.1)
