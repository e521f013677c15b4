"""The requests of docs/examples, and the local cloud's clock."""

from __future__ import annotations

import functools
import json
import urllib.request

from demo.cloud import ROOT, Cloud
from e2e.provider import Request

EXAMPLES = ("fargate", "managed-nodes", "node-options", "fargate-new-private")
"""Examples that take nothing as given. What is chosen besides nodes and API changes no path of the machine."""


@functools.cache
def requests() -> dict[str, Request]:
    """The requests by the names of their files."""
    return {name: json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text()) for name in EXAMPLES}


WAIT_SCALE = 0.001
"""Of the seconds between attempts."""


def scale_waits(cloud: Cloud, scale: float = WAIT_SCALE) -> None:
    """Shortens what the local cloud's interpreter waits between attempts."""
    body = json.dumps({"stepfunctions._SFN_WAIT_SCALE": scale}).encode()
    address = f"{cloud.settings['AWS_ENDPOINT_URL']}/_ministack/config"
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answer.read()
