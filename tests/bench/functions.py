"""Measures each built function: the size of its zip and the time from its start to its first `next`.

The latter is what a cold start adds to Lambda's own part. The function is started as Lambda does it,
as a process that asks a Runtime API for its first event; here that API is a local server.
"""

from __future__ import annotations

import http.server
import io
import os
import pathlib
import platform
import statistics
import subprocess
import threading
import time
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".aws-sam" / "build"
RUNS = 11


class _Template(yaml.SafeLoader):
    """Reads a CloudFormation template; its short functions stand for any text."""


_Template.add_multi_constructor("!", lambda loader, suffix, node: f"!{suffix}")


class RuntimeAPI(http.server.ThreadingHTTPServer):
    """A Runtime API that notes when it is first asked for an event, and never has one."""

    def __init__(self) -> None:
        asked = self.asked = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.set()
                time.sleep(60)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        threading.Thread(target=self.serve_forever, daemon=True).start()


def start_to_next(program: pathlib.Path, variables: dict[str, str]) -> float:
    """Milliseconds from exec to the first request for an event."""
    api = RuntimeAPI()
    environment = variables | {
        "PATH": "/usr/bin:/bin",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    begun = time.perf_counter()
    process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not api.asked.wait(10):
            raise SystemExit(f"{program} did not ask for an event within 10 s")
        return (time.perf_counter() - begun) * 1000
    finally:
        process.kill()
        process.wait()
        api.shutdown()
        api.server_close()


def zip_size(program: pathlib.Path) -> int:
    """The size of the zip that holds the program, in bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as contents:
        contents.write(program, "bootstrap")
    return len(archive.getvalue())


def report() -> None:
    """Prints a line per function."""
    resources = yaml.load((BUILD / "template.yaml").read_text(), Loader=_Template)["Resources"]
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, median of {RUNS} runs after one more\n")
    print(f"{'function':<24}{'zip MB':>8}{'start to next, ms':>20}")
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        program = BUILD / name / "bootstrap"
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        variables = {k: "1.36=arn" if k == "KUBECTL_LAYERS" else "0" for k in variables}
        times = [start_to_next(program, variables) for _ in range(RUNS + 1)][1:]
        print(f"{name:<24}{zip_size(program) / 1e6:>8.1f}{statistics.median(times):>20.1f}")
