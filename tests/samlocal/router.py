"""Sends invocations to containers."""

from __future__ import annotations

import pathlib
import re
import threading

from localcloud import TARGET_ACCOUNT
from localcloud.proxy import Call
from samlocal.functions import Functions
from samlocal.sam import Endpoint

_STAGE = re.compile(r".+-(?P<logical>\w+Function)-\w+")
_COPY = re.compile(r"EKS-ENV-.+-kubectl")


class Router:
    """Where the containers are; an environment's kubectl function gets one of its own when it is first called.

    The proxy asks it for each call. The address of the proxy itself is set afterwards.
    """

    def __init__(self, functions: Functions, directory: pathlib.Path) -> None:
        self._functions, self._directory = functions, directory
        self._stages: Endpoint | None = None
        self._copies: dict[str, Endpoint] = {}
        self._lock = threading.Lock()
        self._endpoint = ""
        self.invoked: set[str] = set()
        """What containers were sent, by logical id, and by name for the copies."""

    def start(self, endpoint: str) -> pathlib.Path:
        """Starts the stages, which find AWS at an endpoint; returns their template."""
        self._endpoint = endpoint
        template = self._functions.template(self._functions.all, endpoint, self._directory / "stages.yaml")
        self._stages = Endpoint(template, self._directory / "stages.log")
        return template

    def stop(self) -> None:
        """Ends all containers."""
        for endpoint in (self._stages, *self._copies.values()):
            if endpoint:
                endpoint.stop()

    def __call__(self, call: Call) -> str | None:
        """The container for an invocation; None for every other call."""
        if call.action != "Invoke" or call.headers.get("X-Amz-Invocation-Type", "") == "Event" or not self._stages:
            return None
        name = call.target.rpartition(":")[2]
        if _COPY.fullmatch(name):
            self.invoked.add(name)
            return self._copy(name, call).url("KubectlFunction")
        if stage := _STAGE.fullmatch(name):
            self.invoked.add(stage["logical"])
            return self._stages.url(stage["logical"])
        return None

    def _copy(self, name: str, call: Call) -> Endpoint:
        with self._lock:
            if name not in self._copies:
                arn = call.target if ":" in call.target else f"arn:aws:lambda:{call.region}:{TARGET_ACCOUNT}:function:{name}"
                copy = self._functions.copy(arn)
                template = self._functions.template([copy], self._endpoint, self._directory / f"{name}.yaml")
                self._copies[name] = Endpoint(template, self._directory / f"{name}.log")
            return self._copies[name]
