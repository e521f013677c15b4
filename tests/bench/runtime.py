"""A Lambda Runtime API, and a function's process that asks it for events.

Both contestants are driven by it alike, so that what is measured is the time from an event's being
handed over to its answer's arrival.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import pathlib
import queue
import subprocess
import threading
import time
from typing import Any

_TIMEOUT = 300.0


class FunctionFailed(Exception):
    """A function answered with an error, or not at all."""


@dataclasses.dataclass
class Answer:
    """What a function answered, and how long that took."""

    body: Any
    milliseconds: float


class _API(http.server.ThreadingHTTPServer):
    """Hands events to one function."""

    daemon_threads = True

    def __init__(self) -> None:
        events: queue.Queue[bytes | None] = queue.Queue()
        answers: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        asked = threading.Event()
        self.events, self.answers, self.asked = events, answers, asked
        self.handed = 0.0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body leave in one segment, as from Lambda: in two, Nagle's algorithm holds the second
            # back until the first is acknowledged, which takes 40 ms.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked.set()
                event = events.get()
                if event is None:
                    return
                server.handed = time.perf_counter()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + _TIMEOUT) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111111111111:function:bench")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)) if self.headers["Content-Length"] else self._chunks()
                answers.put((self.path.rsplit("/", 1)[-1], body, time.perf_counter()))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Says nothing: a function that is ended leaves its connections as they are. What fails otherwise gives no answer."""


class Function:
    """A process of a function: started once, invoked any number of times, ended by close."""

    def __init__(self, command: list[str], environment: dict[str, str], log: pathlib.Path, group: pathlib.Path | None = None) -> None:
        self._api = _API()
        self._log = log.open("ab")
        variables = environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_address[1]}"}

        if group:
            # The shell enters the group and becomes the function, so that all of its start is limited.
            command = ["/bin/sh", "-c", 'echo $$ > "$0"; exec "$@"', str(group / "cgroup.procs"), *command]
        self.started = time.perf_counter()
        self._process = subprocess.Popen(command, env=variables, stdout=self._log, stderr=self._log)

    def invoke(self, event: dict[str, Any]) -> Answer:
        """Sends an event and waits for its answer."""
        self._api.events.put(json.dumps(event).encode())
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                kind, body, arrived = self._api.answers.get(timeout=1)
                break
            except queue.Empty:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise FunctionFailed(f"no answer; see {self._log.name}") from None
        if kind == "error":
            raise FunctionFailed(body.decode()[:2000])
        return Answer(json.loads(body or b"null"), (arrived - self._api.handed) * 1000)

    def cold(self, event: dict[str, Any]) -> Answer:
        """As invoke, timed from the start of the process."""
        answer = self.invoke(event)
        return Answer(answer.body, answer.milliseconds + (self._api.handed - self.started) * 1000)

    def peak_megabytes(self) -> float:
        """The most memory the process itself has had resident, in MB."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024 / 1e6

    def close(self) -> None:
        """Ends the process and its API."""
        self._process.kill()
        self._process.wait()
        self._api.events.put(None)
        self._api.shutdown()
        self._api.server_close()
        self._log.close()
