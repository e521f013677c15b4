"""The Kubernetes versions EKS offers: DescribeClusterVersions.

The data file states the dates of endoflife.date; the entry of 1.37 and all patch and platform
versions are assumptions that nothing may rely on.
"""

from __future__ import annotations

import datetime
import functools
import importlib.resources
import json
from typing import Any

_DATES = ("releaseDate", "endOfStandardSupportDate", "endOfExtendedSupportDate")


@functools.cache
def offered() -> tuple[dict[str, Any], ...]:
    """All versions, newest first."""
    file = importlib.resources.files("localcloud.extension") / "data" / "cluster-versions.json"
    return tuple(json.loads(file.read_text(encoding="utf-8")))


def default() -> str:
    """The version of a cluster that asks for none."""
    return next(v["clusterVersion"] for v in offered() if v["defaultVersion"])


def describe(query: dict[str, list[str]]) -> dict[str, Any]:
    """The answer to DescribeClusterVersions."""
    versions = [dict(v) for v in offered()]
    if query.get("defaultOnly") == ["true"]:
        versions = [v for v in versions if v["defaultVersion"]]
    if "clusterVersions" in query:
        versions = [v for v in versions if v["clusterVersion"] in query["clusterVersions"]]
    for name in ("status", "versionStatus"):
        if name in query:
            versions = [v for v in versions if v[name].lower() == query[name][0].lower()]
    for version in versions:
        for name in _DATES:
            day = datetime.datetime.fromisoformat(version[name]).replace(tzinfo=datetime.UTC)
            version[name] = day.timestamp()
    return {"clusterVersions": versions}
