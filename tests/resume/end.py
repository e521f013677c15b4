"""What an environment has come to: all stacks, resources and Kubernetes objects, without what differs from one to the next."""

from __future__ import annotations

import base64
import collections
import gzip
import json
import re
from typing import Any

from localcloud.snapshot import Snapshot, differences
from resume.point import Place

_UNSTEADY = frozenset(
    {
        # What is remembered of what has been.
        "cloudformation._stack_events",
        "cloudformation._change_sets",
        "ssm._parameter_history",
        # MiniStack keeps the tags of what is gone; nothing can be read by them.
        "ec2._tags",
    }
)

_COUNTERS = frozenset(
    {
        "generation", "observedGeneration", "uid", "creationTimestamp", "CreationDate", "_auth_token", "next_version", "Location",
        "endpoints.kubernetes.io/last-change-trigger-time", "pod-template-hash",
        # A pod is told its place when it is bound, if its node knows it by then.
        "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
        # MiniStack notes it of functions that were made, and of others that were updated.
        "architectures_declared",
    }
)  # fmt: skip
"""Members that count or date changes, name an object's incarnation, or are there by chance."""

_PORTS = range(30_000, 65_536)
"""Those that whoever is asked for one makes up."""

_MASKS = [
    (re.compile(pattern), put)
    for pattern, put in (
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b([a-z]{2,12})-[0-9a-f]{8,17}\b", r"\1-<id>"),
        # A Deployment's hash of its pods' template: a number below 2^32, digit by digit in Kubernetes' alphabet.
        (r"-[2456789bcdf]{6,10}\b", "-<id>"),
        (r"\b[0-9a-fA-F]{20,64}\b", "<hash>"),
        (r"\b(?!\d{12}\b)[0-9a-f]{8,17}\b|\b(?!\d{12}\b)[0-9A-F]{12,16}\b", "<id>"),
        (r"\b[a-z]{2,5}\d-az(\d)\b", r"az\1"),
        # On Fargate a pod may come to any zone. Of subnets the zones' ids are compared.
        (r"<region>[a-c]\b", "<zone>"),
        (r"\b52\.\d+\.\d+\.\d+\b", "<public address>"),
        # An update is a way, not an end; one that was rolled back is another end.
        (r"^UPDATE_COMPLETE$", "CREATE_COMPLETE"),
        (r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", "<certificate>"),
        (r"\bip-10-0-\d+-\d+\b|\b(?:10\.0|172\.20)\.\d+\.\d+\b(?!/)", "<address>"),
        # As Kubernetes ends a name that it makes up.
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<end>"),
        # Certificates, made anew by whoever makes the first installation.
        (r"[A-Za-z0-9+/]{200,}=*", "<data>"),
        (r"\bA[A-Z]{3}[0-9A-F]{16,17}\b", "<id>"),
        (r"127\.0\.0\.1:\d+", "<endpoint>"),
        (r"(:layer:[^:\s]+):\d+", r"\1:<version>"),
    )
]


def of(entries: Snapshot, place: Place) -> Snapshot:
    """The entries of an environment, in the words that all environments share; equal keys are numbered."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for key, value in _last_releases(entries).items():
        store, owner, region, *_ = key.split("/") if not key.startswith("kubernetes/") else ["kubernetes", *key.split("/")[1:]]
        mine = region == place.region or (region == "-" and place.environment in key)
        if store in _UNSTEADY or owner != place.account or not mine or _gone(store, value):
            continue
        found[_masked(place, key)].append(json.dumps(_steady(place, value), sort_keys=True))
    return {f"{key}#{number}": json.loads(value) for key, values in found.items() for number, value in enumerate(sorted(values))}


def _last_releases(entries: Snapshot) -> Snapshot:
    """The entries with each Helm release as its last revision has it: how many there were tells of the way."""
    last: dict[str, tuple[int, str, Any]] = {}
    others = {}
    for key, value in entries.items():
        if "/secrets/" not in key or "/sh.helm.release.v1." not in key:
            others[key] = value
            continue
        name, _, revision = key.rpartition(".v")
        release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(value["data"]["release"]))))
        kept = {part: release.get(part) for part in ("name", "namespace", "config", "manifest", "hooks")}
        status = {"status": release["info"]["status"], "chart": release["chart"]["metadata"]}
        last[name] = max(last.get(name, (0, "", None)), (int(revision), name, kept | status), key=lambda entry: entry[0])
    return others | {name: value for _, name, value in last.values()}


def compare(wanted: Snapshot, got: Snapshot) -> list[str]:
    """How an end differs from the one that it should be."""
    return differences(wanted, got)


def _gone(store: str, value: Any) -> bool:
    match store:
        case "cloudformation._stacks":
            return value["StackStatus"] == "DELETE_COMPLETE"
        case "kms._keys":
            return value["KeyState"] == "PendingDeletion"
    return False


def _steady(place: Place, value: Any) -> Any:
    if isinstance(value, dict):
        members = {_masked(place, k): _steady(place, v) for k, v in value.items() if k not in _COUNTERS and not (k == "Version" and isinstance(v, int))}
        return {k: v for k, v in members.items() if v not in (None, {}, "")}
    if isinstance(value, list):
        return sorted((_steady(place, v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if isinstance(value, str):
        return _steady_text(place, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "<time>" if value > 1e9 else "<port>" if value in _PORTS else value
    return value


def _steady_text(place: Place, text: str) -> Any:
    """JSON within a text is looked into."""
    if text[:1] in "{[":
        try:
            return _steady(place, json.loads(text))
        except ValueError:
            pass
    return _masked(place, text)


def _masked(place: Place, text: str) -> str:
    text = place.neutral(text)
    for pattern, put in _MASKS:
        text = pattern.sub(put, text)
    return text
