"""What stands before the API servers of clusters: one TLS endpoint each, which EKS is made to name."""

from __future__ import annotations

import base64
import datetime
import http.client
import http.server
import ipaddress
import json
import pathlib
import re
import ssl
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localcloud.proxy.call import Call

_PATIENCE = 960
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
_DESCRIBE = re.compile(r"GET /clusters/(?P<cluster>[^/]+)")
_READS = {"GET", "HEAD", "OPTIONS"}


class Fronts:
    """The endpoints, made as clusters are described. What writes goes through `handle`, as AWS calls do; what reads passes."""

    def __init__(self, host: str, handle: Callable[[Call], Any]) -> None:
        self._host, self._handle = host, handle
        self._fronts: dict[str, _Front] = {}
        self._lock = threading.Lock()
        self._context, self._authority = _identity(host)

    def stop(self) -> None:
        """Listens no more."""
        for front in self._fronts.values():
            front.shutdown()
            front.server_close()

    def described(self, call: Call, body: bytes) -> bytes:
        """A cluster's description, with the front in the place of its API server."""
        asked = _DESCRIBE.fullmatch(call.action) if call.service == "eks" else None
        if not asked:
            return body
        document = json.loads(body)
        cluster = document.get("cluster", {})
        if cluster.get("endpoint") and cluster.get("certificateAuthority", {}).get("data"):
            front = self._front(cluster["name"], cluster["endpoint"], cluster["certificateAuthority"]["data"])
            cluster["endpoint"] = f"https://{self._host}:{front.server_address[1]}"
            cluster["certificateAuthority"] = {"data": base64.b64encode(self._authority).decode()}
        return json.dumps(document).encode()

    def pass_on(self, call: Call) -> tuple[int, list[tuple[str, str]], bytes]:
        """The API server's answer to a call."""
        connection, response = self._fronts[call.headers["X-Front"]].ask(call.method, call.path, call.headers, call.body)
        try:
            return response.status, [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP], response.read()
        finally:
            connection.close()

    def _front(self, cluster: str, endpoint: str, authority: str) -> _Front:
        with self._lock:
            if endpoint not in self._fronts:
                front = _Front(self._host, self._context, cluster, endpoint, base64.b64decode(authority).decode(), self._handle)
                threading.Thread(target=front.serve_forever, daemon=True).start()
                self._fronts[endpoint] = front
            return self._fronts[endpoint]


class _Front(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, context: ssl.SSLContext, cluster: str, endpoint: str, authority: str, handle: Any) -> None:
        super().__init__((host, 0), _Handler)
        self._tls = context
        self.cluster, self.endpoint, self.handle = cluster, endpoint, handle
        self._address = urllib.parse.urlsplit(endpoint)
        self._trust = ssl.create_default_context(cadata=authority)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is the connection's own thread's."""
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was killed, is no error here."""

    def ask(self, method: str, path: str, headers: Any, body: bytes) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        """A request to the API server."""
        connection = http.client.HTTPSConnection(self._address.hostname or "", self._address.port, timeout=_PATIENCE, context=self._trust)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in _HOP | {"host", "x-front"}:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection, connection.getresponse()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Front

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command in _READS:
            self._stream(body)
            return
        headers = {**self.headers, "X-Front": self.server.endpoint}
        action = f"{self.command} {urllib.parse.urlsplit(self.path).path}"
        reply = self.server.handle(Call(self.command, self.path, headers, body, "kubernetes", action, self.server.cluster, "", ""))
        if reply is None:
            self.close_connection = True
            return
        self._begin(reply.status, reply.headers, ("Content-Length", str(len(reply.body))))
        self.wfile.write(reply.body)

    def _stream(self, body: bytes) -> None:
        """A watch's answer has no end, so that it is handed on piece by piece."""
        connection, response = self.server.ask(self.command, self.path, self.headers, body)
        try:
            kept = [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP]
            self._begin(response.status, kept, ("Transfer-Encoding", "chunked"))
            for piece in _pieces(response):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        finally:
            connection.close()

    def _begin(self, status: int, headers: list[tuple[str, str]], *more: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (*headers, *more):
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _handle

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is logged: `Proxy.calls` has what was written."""


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read1(65_536):
        yield piece


def _identity(host: str) -> tuple[ssl.SSLContext, bytes]:
    """A certificate of its own, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "identity.pem"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(private + authority)
        context.load_cert_chain(file)
    return context, authority
