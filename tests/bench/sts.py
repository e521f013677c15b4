"""Lets the AWS CLI reach the local STS under AWS' own host name.

`aws eks get-token` signs for the host it would call, and a cluster accepts AWS' only. So the CLI is
left to believe that it talks to AWS: its HTTPS proxy ends the TLS connection with a certificate of a
private authority and passes the request on to the local cloud, headers and signature unchanged.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import pathlib
import socket
import socketserver
import ssl
import threading
import urllib.parse
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "sts.us-east-1.amazonaws.com"


def _certificate(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Files of a self-signed certificate for HOST and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = directory / "sts.crt", directory / "sts.key"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return authority, private


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _request(stream: socket.socket) -> tuple[str, str, dict[str, str], bytes] | None:
    """Method, target, headers and body of the next request on a connection."""
    reader = stream.makefile("rb")
    line = reader.readline().decode().split()
    if len(line) < 2:
        return None
    headers = dict(http.client.parse_headers(reader).items())
    length = int(headers.get("Content-Length", "0"))
    return line[0], line[1], headers, reader.read(length)


@contextlib.contextmanager
def proxy(endpoint: str, directory: pathlib.Path) -> Iterator[dict[str, str]]:
    """Runs the proxy; yields the variables that send the AWS CLI through it."""
    authority, private = _certificate(directory)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, private)
    address = urllib.parse.urlsplit(endpoint)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = _request(self.request)
            if not asked or asked[0] != "CONNECT" or not asked[1].startswith(HOST):
                self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with tls.wrap_socket(self.request, server_side=True) as stream:
                inner = _request(stream)
                if inner:
                    stream.sendall(_forward(*inner))

    def _forward(method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        upstream = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=30)
        upstream.request(method, target, body, headers)
        response = upstream.getresponse()
        answer = response.read()
        upstream.close()
        kind = response.headers.get("Content-Type", "text/xml")
        head = f"HTTP/1.1 {response.status} {response.reason}\r\nContent-Type: {kind}\r\n"
        return head.encode() + f"Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {
                "HTTPS_PROXY": f"http://127.0.0.1:{server.server_address[1]}",
                "NO_PROXY": "127.0.0.1,localhost",
                "AWS_CA_BUNDLE": str(authority),
            }
        finally:
            server.shutdown()
