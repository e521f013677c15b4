"""A second loopback server of this process, for what is no AWS call: the chart repository, the gate, the state.

GET  /charts/index.yaml, /charts/NAME-VERSION.tgz
GET  /state                         everything that is kept of the accounts; see localcloud.snapshot
POST /gate/ACCOUNT/REGION/CLUSTER   a pod's manifest; answers whether its program would work
"""

from __future__ import annotations

import http.server
import json
import logging
import threading

from localcloud import chartrepository
from localcloud.extension import state
from localcloud.extension.eks import programs
from localcloud.settings import Settings

_LIMIT = 4 << 20

_logger = logging.getLogger("localcloud.services")


def install(settings: Settings) -> None:
    """Serve in the background as long as the process lives."""
    server = http.server.ThreadingHTTPServer((settings.address, settings.services_port), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the chart repository, or the state of all accounts."""
        if self.path == "/state":
            self._answer(200, "application/json", json.dumps(state.dump()).encode())
            return
        folder, _, name = self.path.removeprefix("/").partition("/")
        found = chartrepository.file(name) if folder == "charts" else None
        if found is None:
            self._answer(404, "text/plain", b"not found\n")
        else:
            self._answer(200, *found)

    def do_POST(self) -> None:
        """What becomes of a pod's program."""
        parts = self.path.strip("/").split("/")
        length = int(self.headers.get("Content-Length") or 0)
        if len(parts) != 4 or parts[0] != "gate" or length > _LIMIT:
            self._answer(404, "text/plain", b"not found\n")
            return
        try:
            problem = programs.problem((parts[1], parts[2], parts[3]), json.loads(self.rfile.read(length)))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            problem = f"local cloud: the pod cannot be understood: {error!r}"
        self._answer(200, "application/json", json.dumps({"ready": not problem, "reason": problem}).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """To the server's log, and only when it is asked for."""
        _logger.debug(format, *arguments)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
