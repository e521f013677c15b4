"""An AWS call as it is seen on its way."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping

_INVOKE = re.compile(r"/2015-03-31/functions/(?P<function>[^/]+)/invocations")
_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclasses.dataclass(frozen=True)
class Call:
    """One request of a client."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    service: str
    """By the signature's scope, such as `cloudformation`; empty for an unsigned request."""
    action: str
    """The API's name for it, such as `CreateStack`; for REST APIs other than Invoke the method and the path."""
    target: str
    """What it is about, where that is easily seen: a function, a stack, a table."""
    region: str
    """Also by the scope."""
    key: str
    """The access key that signed it."""

    @classmethod
    def of(cls, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call:
        """Understands a request as far as it can be understood without the service's model."""
        address = urllib.parse.urlsplit(path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(address.query).items()}
        scope = _SCOPE.search(headers.get("Authorization", "")) or _SCOPE.search(f"Credential={query.get('X-Amz-Credential', '')}")
        service, region, key = (scope["service"], scope["region"], scope["key"]) if scope else ("", "", "")
        action, target = f"{method} {address.path}", ""
        invoke = _INVOKE.fullmatch(address.path)
        if invoke:
            action, target = "Invoke", urllib.parse.unquote(invoke["function"])
        elif "X-Amz-Target" in headers:
            action = headers["X-Amz-Target"].rpartition(".")[2]
        elif headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(errors="replace")).items()}
            action, target = form.get("Action", action), form.get("StackName", "")
        return cls(method, path, headers, body, service, action, target, region, key)
