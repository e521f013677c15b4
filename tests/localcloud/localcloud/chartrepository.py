"""The chart repository of the local cloud: packages of the folder `charts`, made when they are asked for."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

VERSIONS = {"aws-load-balancer-controller": ("3.5.0", "3.4.0")}
"""Charts and their versions, newest first; a version differs in what says @VERSION@."""

_CREATED = "2026-11-01T00:00:00Z"


def file(name: str) -> tuple[str, bytes] | None:
    """Content type and content of a file of the repository, by its name."""
    if name == "index.yaml":
        return "application/yaml", _index()
    for chart, versions in VERSIONS.items():
        for version in versions:
            if name == f"{chart}-{version}.tgz":
                return "application/gzip", package(chart, version)
    return None


@functools.cache
def package(chart: str, version: str) -> bytes:
    """The chart as an archive, the same bytes each time."""
    root = pathlib.Path(__file__).parent / "charts" / chart
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as files:
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            data = path.read_bytes().replace(b"@VERSION@", version.encode())
            entry = tarfile.TarInfo(f"{chart}/{path.relative_to(root)}")
            entry.size, entry.mode = len(data), 0o644
            files.addfile(entry, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), mtime=0)


def _index() -> bytes:
    entries = {
        chart: [
            {
                "apiVersion": "v2",
                "name": chart,
                "version": version,
                "appVersion": f"v{version}",
                "created": _CREATED,
                "digest": hashlib.sha256(package(chart, version)).hexdigest(),
                "urls": [f"{chart}-{version}.tgz"],
            }
            for version in versions
        ]
        for chart, versions in VERSIONS.items()
    }
    return json.dumps({"apiVersion": "v1", "generated": _CREATED, "entries": entries}).encode()
