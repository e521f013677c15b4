"""Start, stop and describe one instance of the local cloud."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from localcloud import PLATFORM_ACCOUNT, REGION, TARGET_ACCOUNT, deployer, process
from localcloud.layout import Layout
from localcloud.settings import server_environment

SERVER = "ministack"
START_SECONDS = 60


class LocalCloudError(Exception):
    """Said to the user as it is; the command then exits with 1."""


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(layout: Layout) -> str:
    """Start the instance, unless it runs already, and say where it is."""
    if _running(layout):
        return f"local cloud is already running at {read_env(layout)['AWS_ENDPOINT_URL']}"
    if layout.run.exists():
        stop(layout)  # left over from a crash
    layout.temporary.mkdir(parents=True)
    services = free_port()
    env = server_environment(layout, free_port(), services, os.environ)
    server = process.spawn(SERVER, [sys.executable, "-m", "localcloud.server"], env, layout.server_log, layout.pids)
    endpoint = env["AWS_ENDPOINT_URL"]
    try:
        _wait_until_healthy(endpoint, server, layout)
        keys = {account: deployer.create(endpoint, account) for account in (PLATFORM_ACCOUNT, TARGET_ACCOUNT)}
    except BaseException:
        process.stop(process.recorded(layout.pids))
        raise
    _write_env(layout, endpoint, services, server.pid, keys)
    return f"local cloud is running at {endpoint}; its settings are in {layout.env_file}"


def stop(layout: Layout) -> str:
    """End everything the instance started, also what a crashed server left, and remove its state."""
    if not layout.run.exists():
        layout.env_file.unlink(missing_ok=True)
        return "local cloud is not running"
    # The server first, so that it starts nothing new while the control planes end.
    processes = process.recorded(layout.pids)
    process.stop([p for p in processes if p.name == SERVER])
    process.stop(process.recorded(layout.pids))
    layout.env_file.unlink(missing_ok=True)
    shutil.rmtree(layout.run)
    return f"local cloud stopped ({len(processes)} processes)"


def status(layout: Layout) -> tuple[str, bool]:
    """A description for people, and whether the instance answers."""
    if not layout.run.exists():
        return "local cloud is not running", False
    running = _running(layout)
    lines = [f"endpoint  {read_env(layout)['AWS_ENDPOINT_URL']}" if running else "endpoint  not answering"]
    for cluster in sorted(layout.clusters.glob("*/cluster.json")):
        entry = json.loads(cluster.read_text())
        lines.append(f"cluster   {entry['account']} {entry['region']} {entry['name']}  {entry['endpoint']}  {cluster.parent}")
    for entry in process.recorded(layout.pids):
        lines.append(f"process   {entry.pid}  {entry.name}  {len(entry.members())} running")
    return "\n".join(lines), running


def read_env(layout: Layout) -> dict[str, str]:
    """The contents of cloud.env."""
    lines = layout.env_file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _running(layout: Layout) -> bool:
    if not layout.env_file.exists():
        return False
    server = [p for p in process.recorded(layout.pids) if p.name == SERVER]
    return bool(server) and bool(server[0].members()) and _healthy(read_env(layout)["AWS_ENDPOINT_URL"])


def _healthy(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _wait_until_healthy(endpoint: str, server: subprocess.Popen, layout: Layout) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(endpoint):
        if server.poll() is not None:
            raise LocalCloudError(f"the server ended with code {server.returncode}; {_tail(layout.server_log)}")
        if time.monotonic() > deadline:
            raise LocalCloudError(f"the server did not answer within {START_SECONDS} s; {_tail(layout.server_log)}")
        time.sleep(0.05)


def _tail(log: pathlib.Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return f"the end of {log}:\n" + "\n".join(lines)


def _write_env(layout: Layout, endpoint: str, services: int, pid: int, keys: dict[str, deployer.Keys]) -> None:
    """One setting a line, without quotes: the file is read by sh and by make alike."""
    platform, target = keys[PLATFORM_ACCOUNT], keys[TARGET_ACCOUNT]
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": platform.access_key_id,
        "AWS_SECRET_ACCESS_KEY": platform.secret_access_key,
        "AWS_PAGER": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "LOCALCLOUD_CHARTS": f"http://{urllib.parse.urlsplit(endpoint).hostname}:{services}/charts",
        "LOCALCLOUD_DIR": str(layout.base),
        "LOCALCLOUD_PID": str(pid),
        "LOCALCLOUD_PLATFORM_ACCOUNT": PLATFORM_ACCOUNT,
        "LOCALCLOUD_STATE": f"http://127.0.0.1:{services}/state",
        "LOCALCLOUD_TARGET_ACCOUNT": TARGET_ACCOUNT,
        "LOCALCLOUD_TARGET_ACCESS_KEY_ID": target.access_key_id,
        "LOCALCLOUD_TARGET_SECRET_ACCESS_KEY": target.secret_access_key,
    }
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    partial = layout.env_file.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(layout.env_file)
