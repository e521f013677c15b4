"""The requests of docs/examples, and the local cloud's clock."""

from __future__ import annotations

import json
import urllib.request

from demo.cloud import ROOT, Cloud
from e2e.provider import Request


def requests() -> dict[str, Request]:
    """All requests that make an environment, by the names of their files."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "examples").glob("*.json"))}
    return {name: request for name, request in found.items() if request.get("operation", "apply") == "apply"}


def scale_waits(cloud: Cloud, scale: float) -> None:
    """Shortens what the local cloud's interpreter waits between attempts."""
    body = json.dumps({"stepfunctions._SFN_WAIT_SCALE": scale}).encode()
    address = f"{cloud.settings['AWS_ENDPOINT_URL']}/_ministack/config"
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answer.read()
