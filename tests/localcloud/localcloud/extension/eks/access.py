"""Access entries, and access policies made effective inside the cluster.

EKS evaluates access policies in an authorizer of its own. Here each association becomes a
binding to a ClusterRole with the policy's published rules, for a group that only the token
webhook hands out; MiniStack's names for these start with `ministack`, here with `eks:`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eks, iam

from localcloud.extension.eks.control_plane import ControlPlanes
from localcloud.extension.eks.errors import EksError, invalid
from localcloud.extension.eks.kube import KubeClient, KubeError

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")
_PLURALS = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "RoleBinding": "rolebindings"}

_PAUSE_SECONDS = 1
_locks: dict[tuple[str, str, str], threading.Lock] = {}
"""Of each cluster that was reconciled."""

_logger = logging.getLogger("localcloud.eks")


def install(control_planes: ControlPlanes) -> None:
    """Take over access entries and their reconciliation."""
    role_name, binding_name = eks._access_policy_role_name, eks._access_policy_binding_name
    eks._access_policy_role_name = lambda arn: (name := role_name(arn)) and name.replace("ministack-eks-", "eks:access:")
    eks._access_policy_binding_name = lambda *a: binding_name(*a).replace("ministack-eks-", "eks:access:")
    eks._reconcile_access_policy_rbac = lambda name, account, region: _reconcile_until_done(control_planes, (account, region, name))
    eks._schedule_access_policy_reconcile = _soon(control_planes, eks._schedule_access_policy_reconcile)
    eks._create_access_entry = _created(eks._create_access_entry)


def principal_id(arn: str) -> str | None:
    """The unique id of an IAM role or user, which an entry is bound to; None if there is no such principal."""
    account, _, rest = arn.removeprefix("arn:aws:iam::").partition(":")
    kind, _, path = rest.partition("/")
    name = path.rpartition("/")[2]
    record = (iam._roles if kind == "role" else iam._users).get_scoped(account, None, name)
    if record is None or record["Arn"] != arn:
        return None
    return record.get("RoleId") or record.get("UserId")


def _created(original: Any) -> Any:
    """CreateAccessEntry with the checks and defaults of EKS."""

    def create(cluster_name: str, body: dict[str, Any]) -> Any:
        try:
            mode = eks._clusters[cluster_name]["accessConfig"]["authenticationMode"] if cluster_name in eks._clusters else "API"
            if mode == "CONFIG_MAP":
                raise EksError(
                    400,
                    "InvalidRequestException",
                    "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
                )
            arn, username = body.get("principalArn", ""), body.get("username", "")
            identity = principal_id(arn)
            if identity is None:
                raise invalid(f"The specified principalArn is invalid: invalid principal: {arn}")
            if username.startswith(_RESERVED):
                raise invalid(f"The username {username} starts with a reserved prefix")
            if any(group.startswith(_RESERVED) for group in body.get("kubernetesGroups") or []):
                raise invalid("The kubernetes group name starts with a reserved prefix")
        except EksError as error:
            return eks._error(error.status, error.code, error.message)
        response = original(cluster_name, {**body, "username": username or _default_username(arn)})
        entry = eks._access_entries.get(eks._ae_key(cluster_name, arn))
        if response[0] < 400 and entry is not None:
            _identities[get_account_id(), get_region(), cluster_name, arn] = identity
        return response

    return create


def create_for_nodes(cluster: str, arn: str, kind: str, username: str, groups: list[str]) -> None:
    """The entry that EKS itself makes for a role of nodes; one that is there stays as it is."""
    key = eks._ae_key(cluster, arn)
    identity = principal_id(arn)
    if key in eks._access_entries or identity is None:
        return
    body = {"type": kind, "username": username, "kubernetesGroups": groups}
    eks._access_entries[key] = eks._build_access_entry(cluster, arn, body)
    _identities[get_account_id(), get_region(), cluster, arn] = identity


_identities: dict[tuple[str, str, str, str], str] = {}


def still_valid(account: str, region: str, cluster: str, arn: str) -> bool:
    """False once the entry's role was deleted and made again under its name: the entry keeps the old id."""
    expected = _identities.get((account, region, cluster, arn))
    return expected is None or expected == principal_id(arn)


def _default_username(arn: str) -> str:
    if ":role/" in arn:
        account = arn.split(":")[4]
        return f"arn:aws:sts::{account}:assumed-role/{arn.rpartition('/')[2]}/{{{{SessionName}}}}"
    return arn


def _soon(control_planes: ControlPlanes, later: Any) -> Any:
    """Reconcile at once when the cluster can be used, otherwise as MiniStack does, in the background."""

    def schedule(name: str, account: str | None = None, region: str | None = None) -> None:
        key = (account or get_account_id(), region or get_region(), name)
        done = control_planes.client(key) is not None and _reconcile(control_planes, key)
        if not done or eks._has_namespace_access_policy(name, key[0], key[1]):
            later(name, key[0], key[1])  # tries again, and looks for new namespaces

    return schedule


def _reconcile_until_done(control_planes: ControlPlanes, key: tuple[str, str, str]) -> bool:
    """Try as long as there is a control plane: MiniStack tries a second time only where there is a container of its own."""
    while control_planes.client(key) is not None:
        if _reconcile(control_planes, key):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _reconcile(control_planes: ControlPlanes, key: tuple[str, str, str]) -> bool:
    client = control_planes.client(key)
    if client is None:
        return False
    account, region, name = key
    # One at a time: what is wanted is read within, or an earlier one would remove the bindings that a later one has made.
    with _locks.setdefault(key, threading.Lock()):
        try:
            namespaces = [item["metadata"]["name"] for item in client.request("GET", "/api/v1/namespaces")["items"]]
            wanted = eks._access_policy_rbac_objects(name, account, region, namespaces)
            used = {o["roleRef"]["name"] for o in wanted if "roleRef" in o}
            wanted = [o for o in wanted if "roleRef" in o or o["metadata"]["name"] in used]
            for item in wanted:
                client.apply(_path(item), item)
            _remove_others(client, {_path(item) for item in wanted})
        except (KubeError, OSError) as problem:
            _logger.warning("access policies of %s: %s", name, problem)
            return False
    return True


def _remove_others(client: KubeClient, wanted: set[str]) -> None:
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        listed = client.request("GET", f"{_RBAC}/{_PLURALS[kind]}?labelSelector={eks._ACCESS_POLICY_BINDING_LABEL}%3Dtrue")
        for item in listed["items"]:
            path = _path({**item, "kind": kind})
            if path not in wanted:
                client.request("DELETE", path)


def _path(item: dict[str, Any]) -> str:
    metadata = item["metadata"]
    scope = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{_RBAC}{scope}/{_PLURALS[item['kind']]}/{metadata['name']}"


def policies(cluster: str, arn: str) -> list[dict[str, Any]]:
    """The access policies associated with an entry."""
    _, _, body = eks._list_associated_access_policies(cluster, arn, {})
    return json.loads(body).get("associatedAccessPolicies", [])
