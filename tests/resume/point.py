"""The calls by which a provisioning changes something, named so that one lifetime's are another's."""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.parse
from typing import Any

from e2e.provider import Request
from localcloud import calls
from localcloud.proxy import Call

_READING = ("GET", "HEAD", "OPTIONS")
_QUESTIONS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
"""What is posted to ask something."""

_RELEASE = re.compile(rb"sh\.helm\.release\.v1\.[a-z0-9.-]+\.v\d+")
_STATUS = re.compile(rb"\x06status\x12.([a-z-]+)")


@dataclasses.dataclass(frozen=True)
class Point:
    """A call that changes something."""

    service: str
    action: str
    target: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.service, self.action, self.target) if part)

    @property
    def kind(self) -> str:
        """What a short run has one of: a stack, a kind of call to Kubernetes, a phase of Helm's."""
        if self.service != "kubernetes":
            return str(self)
        verb, path = self.action.split(" ")
        if self.target.startswith("sh.helm.release."):
            return f"helm {verb} {self.target.partition(' ')[2]}"
        group = path.split("/")[2] if path.startswith("/apis/") else "core"
        return f"kubernetes {verb} {group}"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an environment is: nothing else is in its region, so that its calls are known by that."""

    account: str
    region: str
    environment: str
    """Prefix and name."""

    @classmethod
    def of(cls, request: Request) -> Place:
        """Where a request's environment is."""
        return cls(request["awsAccountID"], request["awsRegion"], f"{request['prefix']}-{request['name']}")

    @property
    def name(self) -> str:
        """The second part of that."""
        return self.environment.partition("-")[2]

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return f"{self.environment}-cluster"

    @property
    def function(self) -> str:
        """The name of its kubectl function."""
        return f"EKS-ENV-{self.environment}-kubectl"

    def stack(self, part: str) -> str:
        """The name of one of its stacks."""
        return f"EKS-ENV-{self.environment}-{part}"

    def point(self, call: Call) -> Point | None:
        """What a call changes of the environment; None if it changes nothing of it."""
        if call.service == "kubernetes":
            return self._of_kubernetes(call) if call.target == self.cluster else None
        if call.region != self.region or call.action == "Invoke":
            return None
        verb, _, path = call.action.partition(" ")
        if verb in _READING or (not path and not calls.mutating(f"{call.service}:{call.action}")):
            return None
        return Point(call.service, self.neutral(call.action), self.neutral(call.target))

    def _of_kubernetes(self, call: Call) -> Point | None:
        address = urllib.parse.urlsplit(call.path)
        if call.method in _READING or "dryRun" in address.query or address.path.startswith(_QUESTIONS):
            return None
        if release := _RELEASE.search(call.body):
            # Helm sends its records in the binary form.
            status = _STATUS.search(call.body)
            target = f"{release[0].decode()} {status[1].decode() if status else ''}".strip()
        else:
            metadata = _document(call.body).get("metadata") or {}
            target = str(metadata.get("name") or metadata.get("generateName") or "") if call.method == "POST" else ""
        return Point("kubernetes", self.neutral(call.action), self.neutral(target))

    def neutral(self, text: str) -> str:
        """A name without what differs between environments."""
        text = text.replace(self.region, "<region>").replace(self.environment, "<environment>").replace(self.name, "<name>")
        # Each attempt at a Helm release is a revision of its own.
        text = re.sub(r"(sh\.helm\.release\.v1\.[\w-]+\.v)\d+", r"\1<revision>", text)
        return re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>", text)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
