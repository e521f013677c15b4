"""An environment whose provisioning is cut off again and again."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import gzip
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from e2e.provider import Execution, Request
from e2e.world import eventually
from faults.scenario import Stage, named
from localcloud import obstacles
from localcloud.extension.eks.kube import KubeClient
from localcloud.layout import Layout
from localcloud.obstacles import Obstacle
from localcloud.proxy import Call, Cut, Refuse, Rule
from resume.point import Place, Point

_numbers = itertools.count(1)
_WORK_SECONDS = 60.0
"""In which a function that was called for an execution answers, however that ended."""
_LONGEST = datetime.timedelta(minutes=16)
"""After which nobody can be working on a Helm release any more: Lambda's limit, and what clocks may differ."""
_RELEASES = "/api/v1/secrets?labelSelector=owner%3Dhelm"


class Strike:
    """What happens at a point: from there on nothing of the environment gets through, as if its functions had died."""

    def __init__(self, place: Place, point: Point, made: bool) -> None:
        self.happened = threading.Event()
        self._place, self._point, self._lock = place, point, threading.Lock()
        kills = place.function if point.service == "kubernetes" else ""
        self.rules = [
            Rule(self._first, Cut(made, kills)),
            Rule(lambda call: self._later(call) and call.service == "kubernetes", Cut(False, place.function)),
            Rule(lambda call: self._later(call) and call.service != "kubernetes", Cut(False)),
        ]

    def _first(self, call: Call) -> bool:
        if self._place.point(call) != self._point:
            return False
        with self._lock:
            if self.happened.is_set():
                return False
            self.happened.set()
            return True

    def _later(self, call: Call) -> bool:
        return self.happened.is_set() and self._place.point(call) is not None


@dataclasses.dataclass(frozen=True)
class Lifetime:
    """An environment from its first execution on."""

    stage: Stage
    layout: Layout
    request: Request

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place.of(self.request)

    def run(self, **changes: Any) -> Execution:
        """Runs the request to its end."""
        return self.stage.run(self.request | changes, self.request["name"])

    def record(self) -> list[Point]:
        """Makes the environment undisturbed; returns what that changed, in its order, each once."""
        before = len(self.stage.proxy.calls)
        self.run().succeeded()
        points = (self.place.point(call) for call in self.stage.proxy.calls[before:])
        return list(dict.fromkeys(point for point in points if point))

    def crash(self, point: Point, made: bool) -> bool:
        """Ends an execution and what it does at a point; whether it came to the point."""
        strike, name = Strike(self.place, point, made), f"{self.request['name']}-crash-{next(_numbers)}"
        self.stage.proxy.add(*strike.rules)
        try:
            arn = self.stage.start(self.request, name)
            client = self.stage.client
            eventually(lambda: strike.happened.is_set() or client.describe_execution(executionArn=arn)["status"] != "RUNNING", f"{point}", 180)
            if not strike.happened.is_set():
                return False
            client.stop_execution(executionArn=arn, error="Stopped", cause="a test")
            eventually(lambda: not self.stage.proxy.busy(lambda call: call.action == "Invoke" and named(call.body, name)), name, _WORK_SECONDS)
        finally:
            self.stage.proxy.remove(*strike.rules)
        self.pass_time()
        return True

    @contextlib.contextmanager
    def without(self, points: Sequence[Point]) -> Iterator[None]:
        """Refuses calls."""
        rules = [Rule(lambda call, point=point: self.place.point(call) == point, _refusal(point)) for point in points]
        self.stage.proxy.add(*rules)
        try:
            yield
        finally:
            self.stage.proxy.remove(*rules)

    def refuse(self, point: Point) -> Execution:
        """Runs the request while a call is refused."""
        with self.without([point]):
            ended = self.run()
        self.pass_time()
        return ended

    def obstruct(self, *obstacles_: tuple[str, str, str, int], **changes: Any) -> Execution:
        """Runs the request while operations on resources fail: each a stack, a logical id, the operation, and how many of it pass."""
        put = [Obstacle(self.place.stack(part), resource, operation, self.place.region, passes) for part, resource, operation, passes in obstacles_]
        obstacles.add(self.layout, *put)
        try:
            return self.run(**changes)
        finally:
            obstacles.remove(self.layout, *put)

    def pass_time(self) -> None:
        """Lets so much time pass that a Helm release which somebody has locked is abandoned for certain."""
        kubeconfig = self.layout.clusters / self.place.cluster / "admin.kubeconfig"
        if not kubeconfig.exists():
            return
        client = KubeClient(kubeconfig)
        for secret in client.get(_RELEASES)["items"]:
            status = secret["metadata"]["labels"]["status"]
            if status.startswith("pending-") or status == "uninstalling":
                secret["data"]["release"] = _aged(secret["data"]["release"])
                place = f"/api/v1/namespaces/{secret['metadata']['namespace']}/secrets/{secret['metadata']['name']}"
                client.request("PUT", place, secret)


def _refusal(point: Point) -> Refuse:
    return Refuse("Forbidden" if point.service == "kubernetes" else "AccessDeniedException", 403, "refused by a test")


def _aged(data: str) -> str:
    """A release as Helm stores it, with its times moved back."""
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
    info = release["info"]
    for field in ("first_deployed", "last_deployed", "deleted"):
        if info.get(field) and not info[field].startswith("0001-"):
            info[field] = (datetime.datetime.fromisoformat(info[field][:19] + "+00:00") - _LONGEST).isoformat()
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
