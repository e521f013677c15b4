"""How EKS lets the nodes of a node group or Fargate profile in: an access entry, and a line in aws-auth.

Sources disagree on whether EKS still writes aws-auth when both kinds of mapping are on
(https://docs.aws.amazon.com/eks/latest/userguide/migrating-access-entries.html against
https://github.com/aws/containers-roadmap/issues/2425), so here it writes both. Neither is removed
together with the group or profile (https://github.com/aws/containers-roadmap/issues/2441).
"""

from __future__ import annotations

import json
import logging
from typing import Any

import yaml
from ministack.services import eks

from localcloud.extension.eks import access
from localcloud.extension.eks.kube import KubeClient, KubeError

_GROUPS = {
    "EC2_LINUX": ["system:bootstrappers", "system:nodes"],
    "FARGATE_LINUX": ["system:bootstrappers", "system:nodes", "system:node-proxier"],
}
_NAMES = {"EC2_LINUX": "system:node:{{EC2PrivateDNSName}}", "FARGATE_LINUX": "system:node:{{SessionName}}"}
_CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"

_logger = logging.getLogger("localcloud.eks")


def grant(cluster: dict[str, Any], client: KubeClient, role: str, kind: str) -> None:
    """Write what the cluster's authentication mode asks for, unless it is there."""
    mode = cluster["accessConfig"]["authenticationMode"]
    if mode != "CONFIG_MAP":
        access.create_for_nodes(cluster["name"], role, kind, _NAMES[kind], [g for g in _GROUPS[kind] if g == "system:nodes"])
    if mode != "API":
        _map_role(client, role, kind)


def known(cluster: dict[str, Any], account: str, region: str, role: str) -> bool:
    """Whether the role's access entry, if it has one, is about the role of today and not one deleted since."""
    entry = eks._access_entries.get(eks._ae_key(cluster["name"], role))
    return entry is None or access.still_valid(account, region, cluster["name"], role)


def _map_role(client: KubeClient, role: str, kind: str) -> None:
    # aws-auth wants the ARN without the role's path.
    bare = f"{role.split('/', 1)[0]}/{role.rpartition('/')[2]}"
    line = {"rolearn": bare, "username": _NAMES[kind], "groups": _GROUPS[kind]}
    for _ in range(5):
        present = client.get(f"{_CONFIG_MAPS}/aws-auth")
        try:
            if present is None:
                body = {"metadata": {"name": "aws-auth"}, "data": {"mapRoles": yaml.safe_dump([line])}}
                client.request("POST", f"{_CONFIG_MAPS}?fieldManager=eks", body)
                return
            changed = _with(present.get("data") or {}, line)
            if changed is None:
                return
            client.request("PUT", f"{_CONFIG_MAPS}/aws-auth?fieldManager=eks", {**present, "data": changed})
            return
        except KubeError as error:
            if error.status != 409:
                raise
    raise KubeError(409, "aws-auth changes all the time")


def _with(data: dict[str, str], line: dict[str, Any]) -> dict[str, str] | None:
    """The ConfigMap's data with the line added in the notation that is there; None if nothing is to be done."""
    text = data.get("mapRoles") or ""
    try:
        entries = yaml.safe_load(text) or []
    except yaml.YAMLError:
        _logger.warning("aws-auth: mapRoles is not YAML, left alone")
        return None
    if not isinstance(entries, list) or any(isinstance(e, dict) and e.get("rolearn") == line["rolearn"] for e in entries):
        return None
    written = json.dumps([*entries, line]) if text.lstrip().startswith("[") else yaml.safe_dump([*entries, line])
    return {**data, "mapRoles": written}
