"""The proxy itself: an HTTP server that passes requests on."""

from __future__ import annotations

import collections
import dataclasses
import http.client
import http.server
import json
import pathlib
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from localcloud.proxy import workers
from localcloud.proxy.apiserver import Fronts
from localcloud.proxy.call import Call
from localcloud.proxy.rules import Answer, Cut, Delay, Disturbance, Hold, Kill, Refuse, Result, Rule
from localcloud.proxy.workers import Victim

_PATIENCE = 960
"""Seconds: longer than a function may run."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization", "content-length"}


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer on its way back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Proxy:
    """Passes on what comes to `address`, as its rules let it.

    `route` may send a call to another URL; None is the endpoint. Such a URL is called by one at a
    time: what stands there instead of AWS is one container, which cannot do two things at once.
    Calls with an access key in `trusted` are re-signed for the account of the function they
    invoke: the interpreters of state machines have no keys that the local cloud knows.
    """

    def __init__(
        self,
        endpoint: str,
        directory: pathlib.Path,
        host: str = "127.0.0.1",
        port: int = 0,
        route: Callable[[Call], str | None] = lambda call: None,
        trusted: frozenset[str] = frozenset({"ak"}),
        kubernetes: bool = False,
    ) -> None:
        self.endpoint, self._temporary = endpoint, directory
        self._fronts = Fronts(host, self.handle) if kubernetes else None
        self._route, self._trusted = route, trusted
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._turns: collections.defaultdict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        self.calls: list[Call] = []
        self._at_work: list[Call] = []
        self._server = _Server((host, port), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Listens no more."""
        self._server.shutdown()
        self._server.server_close()
        if self._fronts:
            self._fronts.stop()

    def busy(self, matches: Callable[[Call], bool]) -> bool:
        """Whether a call that matches has yet to be answered."""
        with self._lock:
            return any(matches(call) for call in self._at_work)

    def add(self, *rules: Rule) -> None:
        """Rules that hold from now on; the first that wants a call has it."""
        with self._lock:
            self._rules.extend(rules)

    def remove(self, *rules: Rule) -> None:
        """They hold no more."""
        with self._lock:
            self._rules = [r for r in self._rules if r not in rules]

    def handle(self, call: Call) -> Reply | None:
        """The answer to a call; None cuts the connection."""
        with self._lock:
            self.calls.append(call)
            self._at_work.append(call)
            rules = list(self._rules)
        try:
            wanted = [rule for rule in rules if rule.wants(call)]
            return self._disturbed(call, wanted[0].disturbance) if wanted else self._passed(call)
        finally:
            with self._lock:
                self._at_work = [c for c in self._at_work if c is not call]

    def _disturbed(self, call: Call, disturbance: Disturbance) -> Reply | None:
        match disturbance:
            case Answer(error, message):
                body = {"errorMessage": message, "errorType": error}
                return _json(200, body, ("X-Amz-Function-Error", "Unhandled"))
            case Result(of):
                return _json(200, of(call))
            case Refuse(error, status, message):
                return _refusal(call, error, status, message)
            case Hold(until, then):
                until.wait(_PATIENCE)
                return self._disturbed(call, then)
            case Delay(seconds):
                reply = self._passed(call)
                time.sleep(seconds)
                return reply
            case Cut(made, kills):
                if made:
                    self._passed(call)
                if kills:
                    workers.kill(kills, self._temporary)
                return None
            case Kill():
                with Victim(call.target.rpartition(":")[2], self._temporary).during():
                    return self._passed(call)

    def _passed(self, call: Call) -> Reply:
        if self._fronts and call.service == "kubernetes":
            return Reply(*self._fronts.pass_on(call))
        url = self._route(call)
        if url is None:
            reply = self._sent(call, self.endpoint + call.path)
            return dataclasses.replace(reply, body=self._fronts.described(call, reply.body)) if self._fronts else reply
        with self._lock:
            turn = self._turns[url]
        with turn:
            return self._sent(call, url)

    def _sent(self, call: Call, url: str) -> Reply:
        base = urllib.parse.urlsplit(url)
        path = url.removeprefix(f"{base.scheme}://{base.netloc}")
        connection = http.client.HTTPConnection(base.hostname or "", base.port or 80, timeout=_PATIENCE)
        try:
            connection.putrequest(call.method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers(call):
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(call.body)))
            connection.endheaders(call.body)
            response = connection.getresponse()
            headers = [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP or self._of_head(call, k)]
            return Reply(response.status, headers, response.read())
        finally:
            connection.close()

    @staticmethod
    def _of_head(call: Call, header: str) -> bool:
        """HEAD tells of a length without a body, so that it is not ours to say."""
        return call.method == "HEAD" and header.lower() == "content-length"

    def _headers(self, call: Call) -> Iterator[tuple[str, str]]:
        for name, value in call.headers.items():
            if name.lower() == "authorization" and call.key in self._trusted:
                # Signatures of an account's root are not verified by the emulator.
                value = value.replace(f"Credential={call.key}/", f"Credential={_account(call.target)}/")
            # The host stays the caller's: it is part of the signature.
            if name.lower() not in _HOP:
                yield name, value


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _json(status: int, body: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(status, [("Content-Type", "application/json"), *headers], json.dumps(body).encode())


def _refusal(call: Call, error: str, status: int, message: str) -> Reply:
    """An error in the protocol of the service that was called."""
    if call.service == "kubernetes":
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": error, "code": status, "message": message}
        return _json(status, body)
    if call.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{error}</Code><Message>{message}</Message></Error></ErrorResponse>"
        return Reply(status, [("Content-Type", "text/xml")], text.encode())
    if call.service == "s3":
        text = f"<Error><Code>{error}</Code><Message>{message}</Message></Error>"
        return Reply(status, [("Content-Type", "application/xml")], text.encode())
    return _json(status, {"__type": error, "message": message}, ("X-Amzn-ErrorType", error))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here: interpreters give up on calls that take too long."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        reply = self.server.proxy.handle(Call.of(self.command, self.path, self.headers, self._body()))  # type: ignore[arg-type]
        if reply is None:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _handle

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is logged: `Proxy.calls` has it all."""
