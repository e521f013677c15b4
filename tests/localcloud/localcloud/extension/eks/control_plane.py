"""The processes behind a cluster: one `kubernetes server` each."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

from ministack.services import eks

from localcloud import forwarding, process
from localcloud.cloud import free_port
from localcloud.extension.eks.kube import KubeClient
from localcloud.settings import Settings

START_SECONDS = 180
_LOOPBACK = "127.0.0.1"
Key = tuple[str, str, str]
"""Account, region and name of a cluster."""


class StartFailed(Exception):
    """The control plane did not come up."""


@dataclasses.dataclass
class _Running:
    directory: pathlib.Path
    process: subprocess.Popen
    client: KubeClient | None = None


class ControlPlanes:
    """All control planes of this server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: dict[Key, _Running] = {}
        self._lock = threading.Lock()

    def reserve_endpoint(self) -> str:
        """The endpoint of a new cluster. API servers listen on 127.0.0.1; at another address they are forwarded to."""
        port = free_port()
        if self._settings.address != _LOOPBACK:
            forwarding.serve((self._settings.address, port), (_LOOPBACK, port))
        return f"https://{self._settings.address}:{port}"

    def start(self, key: Key, cluster: dict) -> str:
        """Start the cluster's control plane, wait until it can be used, and return its CA as base64."""
        if not self._settings.kubernetes.exists():
            raise StartFailed(f"{self._settings.kubernetes} does not exist; build it first (make help)")
        port = int(cluster["endpoint"].rpartition(":")[2])
        directory = self._new_directory(key)
        webhook = directory / "webhook.kubeconfig"
        webhook.write_bytes(eks._k3s_auth_webhook_config(None, None, key[2], key[0], key[1], cluster["_auth_token"]))
        command = [str(self._settings.kubernetes), "server", "--dir", str(directory), "--endpoint-port", str(port)]
        command += ["--webhook-config", str(webhook), "--audit-log", str(directory / "audit.log")]
        command += ["--service-account-issuer", cluster["identity"]["oidc"]["issuer"], "--nodes", str(self._settings.eks_nodes)]
        command += [
            "--region",
            key[1],
            "--gate-url",
            f"http://{self._settings.address}:{self._settings.services_port}/gate/{'/'.join(key)}",
        ]
        env = {"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
        pids = self._settings.layout.pids
        running = _Running(directory, process.spawn(f"kubernetes-{directory.name}", command, env, directory / "server.log", pids))
        with self._lock:
            self._running[key] = running
        self._wait(running)
        running.client = KubeClient(directory / "admin.kubeconfig")
        names = {"account": key[0], "region": key[1], "name": key[2], "endpoint": cluster["endpoint"]}
        (directory / "cluster.json").write_text(json.dumps(names))
        return base64.b64encode((directory / "ca.crt").read_bytes()).decode()

    def client(self, key: Key) -> KubeClient | None:
        """The administrator's client, or None while there is no control plane that can be used."""
        with self._lock:
            running = self._running.get(key)
        return running.client if running else None

    def write(self, key: Key, name: str, document: object) -> None:
        """Put a JSON file into the folder of the cluster's control plane, whole at every moment."""
        with self._lock:
            running = self._running.get(key)
        if running is None:
            return
        partial = running.directory / f".{name}"
        partial.write_text(json.dumps(document))
        partial.replace(running.directory / name)

    def stop(self, key: Key) -> None:
        """End the cluster's control plane and remove its state."""
        with self._lock:
            running = self._running.pop(key, None)
        if running is None:
            return
        process.stop([p for p in process.recorded(self._settings.layout.pids) if p.pid == running.process.pid])
        running.process.wait()
        shutil.rmtree(running.directory)

    def _new_directory(self, key: Key) -> pathlib.Path:
        """Named like the cluster; a second cluster of that name lies in another account or region."""
        account, region, name = key
        directory = self._settings.layout.clusters / name
        if directory.exists():
            directory = self._settings.layout.clusters / f"{name}.{account}.{region}"
        directory.mkdir(parents=True)
        return directory

    @staticmethod
    def _wait(running: _Running) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (running.directory / "ready").exists():
            if running.process.poll() is not None or time.monotonic() > deadline:
                log = (running.directory / "server.log").read_text(errors="replace").splitlines()[-3:]
                raise StartFailed(f"the control plane did not come up: {' '.join(log)}")
            time.sleep(0.05)
