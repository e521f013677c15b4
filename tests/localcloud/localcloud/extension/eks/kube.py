"""Requests to a cluster's API server, as its administrator.

EKS reads aws-auth and evaluates access policies inside the control plane. Here both are done
from outside, with the administrator's certificate, which never passes the token webhook.
"""

from __future__ import annotations

import base64
import http.client
import json
import pathlib
import ssl
import tempfile
import urllib.parse
from typing import Any

import yaml


class KubeError(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class KubeClient:
    """A client made from a kubeconfig with a client certificate."""

    def __init__(self, kubeconfig: pathlib.Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        address = urllib.parse.urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 443
        base = kubeconfig.parent
        authority = _material(cluster, "certificate-authority", base)
        self._tls = ssl.create_default_context(cadata=authority.decode())
        with tempfile.NamedTemporaryFile(dir=base) as pair:
            # ssl reads certificates from files only.
            pair.write(_material(user, "client-certificate", base) + b"\n" + _material(user, "client-key", base))
            pair.flush()
            self._tls.load_cert_chain(pair.name)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded answer; KubeError for any status from 400."""
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=10)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": content_type, "Accept": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 400:
            raise KubeError(response.status, text)
        return json.loads(text)

    def get(self, path: str) -> Any:
        """The object at path, or None if there is none."""
        try:
            return self.request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Server-side apply as field manager "eks"."""
        self.request("PATCH", f"{path}?fieldManager=eks&force=true", manifest, "application/apply-patch+yaml")


def _material(entry: dict[str, str], name: str, base: pathlib.Path) -> bytes:
    """Inline data of a kubeconfig, or the contents of the file it names."""
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return (base / entry[name]).read_bytes()
