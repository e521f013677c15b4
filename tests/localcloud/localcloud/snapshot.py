"""The whole of a local cloud at a moment: all services of both accounts in all regions, and all Kubernetes objects.

A snapshot is a flat dictionary, so that two of them are compared entry by entry. What only tells of
calls is not in it: logs, metrics, executions, Kubernetes' events and leases.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from localcloud.cloud import read_env
from localcloud.extension.eks.kube import KubeClient, KubeError
from localcloud.layout import Layout

Snapshot = dict[str, Any]
"""Entries by "service.store/account/region/key" and "kubernetes/cluster/group/version/kind/namespace/name"."""

_PATIENCE = 30.0

_RESTLESS = {"events", "leases"}
"""Kinds that a cluster at rest goes on writing."""


def services(layout: Layout) -> Snapshot:
    """The AWS services as they are now, without what is in clusters."""
    with urllib.request.urlopen(read_env(layout)["LOCALCLOUD_STATE"], timeout=60) as response:
        entries: Snapshot = json.load(response)
    return entries


def take(layout: Layout) -> Snapshot:
    """The local cloud as it is now."""
    entries = services(layout)
    folders = [description.parent for description in layout.clusters.glob("*/cluster.json")]
    with concurrent.futures.ThreadPoolExecutor() as executor:
        for objects in executor.map(_objects, folders):
            entries |= objects
    return entries


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """One line for each entry that was added, removed or changed."""
    lines = [f"added {key}: {_short(after[key])}" for key in sorted(after.keys() - before.keys())]
    lines += [f"removed {key}: {_short(before[key])}" for key in sorted(before.keys() - after.keys())]
    for key in sorted(before.keys() & after.keys()):
        lines += [f"changed {key}{change}" for change in _changes(before[key], after[key])]
    return lines


def _objects(folder: pathlib.Path) -> Snapshot:
    """All objects of a cluster, but for what its components never stop writing."""
    client = KubeClient(folder / "admin.kubeconfig")
    cluster = json.loads((folder / "cluster.json").read_text())
    place = f"kubernetes/{cluster['account']}/{cluster['region']}/{cluster['name']}"
    entries = {}
    for path in _versions(client):
        for resource in client.get(path)["resources"]:
            name = resource["name"]
            if "/" in name or name in _RESTLESS or "list" not in resource["verbs"]:
                continue
            for item in _list(client, f"{path}/{name}"):
                metadata = item["metadata"]
                key = "/".join([place, path.removeprefix("/"), name, metadata.get("namespace", "-"), metadata["name"]])
                entries[key] = _steady(item)
    return entries


def _list(client: KubeClient, path: str) -> list[dict[str, Any]]:
    """All objects of a kind. The API server may have to read a kind that nobody has asked for yet."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return client.get(path)["items"]
        except KubeError as error:
            if error.status != 429 or time.monotonic() > end:
                raise
        time.sleep(0.2)


def _versions(client: KubeClient) -> Iterator[str]:
    """The paths of all groups, each in the version that the API server prefers."""
    yield "/api/v1"
    for group in client.get("/apis")["groups"]:
        yield f"/apis/{group['preferredVersion']['groupVersion']}"


def _steady(item: dict[str, Any]) -> dict[str, Any]:
    """An object without what changes although nobody changes it: heartbeats, and the traces they leave."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    steady = item | {"metadata": metadata}
    if isinstance(conditions := item.get("status", {}).get("conditions"), list):
        kept = [{k: v for k, v in c.items() if k not in ("lastHeartbeatTime", "lastProbeTime", "lastUpdateTime")} for c in conditions]
        steady["status"] = item["status"] | {"conditions": kept}
    return steady


def _changes(before: Any, after: Any) -> Iterator[str]:
    """Where two values differ, as paths with both values."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            for change in _changes(before.get(key), after.get(key)):
                yield f".{key}{change}"
        return
    yield f": {_short(before)} became {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + " …"
