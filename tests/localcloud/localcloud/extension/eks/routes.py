"""The HTTP API: calls that MiniStack lacks, and those taken from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.router import extract_access_key_id
from ministack.services import eks

from localcloud.extension.eks import clusters, fargate, nodegroups, versions
from localcloud.extension.eks.clusters import Clusters
from localcloud.extension.eks.errors import EksError
from localcloud.extension.eks.fargate import FargateProfiles
from localcloud.extension.eks.nodegroups import NodeGroups

Handler = Callable[..., dict[str, Any]]
"""Takes the path's parts by name, the decoded body, the query and the caller's ARN."""


def install(owner: Clusters, groups: NodeGroups, profiles: FargateProfiles) -> None:
    """Answer these paths, and leave all others to MiniStack."""
    table = [(method, _pattern(path), handler) for method, path, handler in _routes(owner, groups, profiles)]
    original = eks._handle_request_sync

    def handle(method: str, path: str, headers: dict, body: bytes, query: dict) -> Any:
        for wanted, pattern, handler in table:
            match = pattern.fullmatch(path) if method == wanted else None
            if match:
                try:
                    document = json.loads(body) if body else {}
                    caller = _caller(headers, query)
                    return eks._json_resp(200, handler(**match.groupdict(), body=document, query=query, caller=caller))
                except EksError as error:
                    return eks._error(error.status, error.code, error.message)
        return original(method, path, headers, body, query)

    eks._handle_request_sync = handle


def _routes(owner: Clusters, groups: NodeGroups, profiles: FargateProfiles) -> list[tuple[str, str, Handler]]:
    show = clusters.public

    def list_updates(name: str, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        group = _one(query, "nodegroupName")
        return {"updateIds": groups.list_updates(name, group) if group else owner.list_updates(name)}

    def describe_update(name: str, update: str, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        group = _one(query, "nodegroupName")
        return {"update": groups.describe_update(name, group, update) if group else owner.describe_update(name, update)}

    return [
        ("GET", "/cluster-versions", lambda query, **_: versions.describe(query)),
        ("POST", "/clusters", lambda body, caller, **_: {"cluster": show(owner.create(body, caller))}),
        ("DELETE", "/clusters/{name}", lambda name, **_: {"cluster": show(owner.delete(name))}),
        ("POST", "/clusters/{name}/update-config", lambda name, body, **_: {"update": owner.update_config(name, body)}),
        ("POST", "/clusters/{name}/updates", lambda name, body, **_: {"update": owner.update_version(name, body)}),
        ("GET", "/clusters/{name}/updates", list_updates),
        ("GET", "/clusters/{name}/updates/{update}", describe_update),
        ("POST", "/clusters/{name}/node-groups", lambda name, body, **_: {"nodegroup": show(groups.create(name, body))}),
        ("GET", "/clusters/{name}/node-groups", lambda name, **_: {"nodegroups": nodegroups.names(clusters.get(name)["name"])}),
        ("GET", "/clusters/{name}/node-groups/{group}", lambda name, group, **_: {"nodegroup": show(nodegroups.get(name, group))}),
        ("DELETE", "/clusters/{name}/node-groups/{group}", lambda name, group, **_: {"nodegroup": show(groups.delete(name, group))}),
        (
            "POST",
            "/clusters/{name}/node-groups/{group}/update-config",
            lambda name, group, body, **_: {"update": groups.update_config(name, group, body)},
        ),
        (
            "POST",
            "/clusters/{name}/node-groups/{group}/update-version",
            lambda name, group, body, **_: {"update": groups.update_version(name, group, body)},
        ),
        (
            "POST",
            "/clusters/{name}/fargate-profiles",
            lambda name, body, **_: {"fargateProfile": profiles.create(name, body)},
        ),
        (
            "GET",
            "/clusters/{name}/fargate-profiles",
            lambda name, **_: {"fargateProfileNames": fargate.names(clusters.get(name)["name"])},
        ),
        (
            "GET",
            "/clusters/{name}/fargate-profiles/{profile}",
            lambda name, profile, **_: {"fargateProfile": fargate.get(name, profile)},
        ),
        (
            "DELETE",
            "/clusters/{name}/fargate-profiles/{profile}",
            lambda name, profile, **_: {"fargateProfile": profiles.delete(name, profile)},
        ),
    ]


def _one(query: dict[str, Any], name: str) -> str:
    value = query.get(name) or ""
    return value[0] if isinstance(value, list) else value


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_-]+)", path))


def _caller(headers: dict, query: dict) -> str | None:
    """The role or user behind the request, as an access entry would name it."""
    identity = iam_evaluator.resolve_caller_identity(extract_access_key_id(headers, query))
    if identity is None:
        return None
    return eks._role_arn_from_assumed_role(identity["userArn"]) or identity["userArn"]
