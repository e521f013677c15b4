"""Who a bearer token belongs to: access entries first, then the aws-auth ConfigMap.

MiniStack verifies the token itself: a GetCallerIdentity request, presigned for an STS host of
AWS, with the cluster's name in a signed header, at most 15 minutes old. What follows from the
principal is decided here, as the authentication mode of the cluster says:
https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from typing import Any

import yaml
from ministack.services import eks

from localcloud.extension.eks import access
from localcloud.extension.eks.control_plane import ControlPlanes, Key
from localcloud.extension.eks.kube import KubeError
from localcloud.settings import Settings

_logger = logging.getLogger("localcloud.eks.auth")
_SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/(.+)")


def install(control_planes: ControlPlanes, settings: Settings) -> None:
    """Answer the token reviews of all control planes."""

    def review(cluster_name: str, account: str, region: str, body: dict[str, Any], auth_token: str = "") -> Any:
        user = _user(control_planes, (account, region, cluster_name), body, auth_token)
        if user is None:
            return eks._token_review_response(body)
        return eks._token_review_response(body, authenticated=True, **user)

    eks._authenticate_token_review = review
    eks._k3s_gateway_host = lambda client, network: settings.address


def _user(control_planes: ControlPlanes, key: Key, body: dict[str, Any], auth_token: str) -> dict[str, Any] | None:
    account, region, name = key
    cluster = eks._clusters.get_scoped(account, region, name)
    token = (body.get("spec") or {}).get("token")
    # The secret in the webhook's URL: only this cluster's control plane knows it.
    if cluster is None or not token or not secrets.compare_digest(auth_token, cluster["_auth_token"]):
        return None
    credential = eks._verify_eks_token(token, name)
    if not credential:
        _logger.info("%s: token refused", name)
        return None
    mode = cluster["accessConfig"]["authenticationMode"]
    found = None
    if mode != "CONFIG_MAP":
        found = _by_access_entry(key, credential.principal_arn)
    if found is None and mode != "API":
        found = _by_config_map(control_planes, key, credential.principal_arn)
    if found is None:
        _logger.info("%s: %s has neither an access entry nor a line in aws-auth (mode %s)", name, credential.principal_arn, mode)
        return None
    username, groups = found
    return {
        "username": username,
        "uid": credential.principal_id or credential.principal_arn,
        "groups": list(dict.fromkeys(["system:authenticated", *groups])),
    }


def _by_access_entry(key: Key, principal: str) -> tuple[str, list[str]] | None:
    account, region, name = key
    entry = eks._access_entry_for_principal(name, account, region, principal)
    if entry is None or not access.still_valid(account, region, name, entry["principalArn"]):
        return None
    groups = list(entry.get("kubernetesGroups") or [])
    for arn, policy, _ in eks._access_policy_associations(name, account, region):
        if arn == entry["principalArn"]:
            groups.append(eks._access_policy_group(name, arn, policy))
    return _fill(entry.get("username") or principal, principal), groups


def _by_config_map(control_planes: ControlPlanes, key: Key, principal: str) -> tuple[str, list[str]] | None:
    """The mapping of aws-iam-authenticator: an unreadable ConfigMap maps nobody."""
    client = control_planes.client(key)
    if client is None:
        return None
    try:
        data = (client.get("/api/v1/namespaces/kube-system/configmaps/aws-auth") or {}).get("data") or {}
        roles, users, accounts = (_entries(data.get(name)) for name in ("mapRoles", "mapUsers", "mapAccounts"))
    except (KubeError, OSError, ValueError, yaml.YAMLError) as problem:
        _logger.warning("aws-auth of %s: %s", key[2], problem)
        return None
    canonical = _canonical(principal)
    for entries, field in ((roles, "rolearn"), (users, "userarn")):
        for entry in entries:
            # Role ARNs with a path never match: the session's ARN has none.
            if str(entry.get(field, "")).lower() == canonical.lower():
                return _fill(entry.get("username") or canonical, principal), [str(g) for g in entry.get("groups") or []]
    if canonical.split(":")[4] in [str(a) for a in accounts]:
        return canonical, []
    return None


def _entries(text: str | None) -> list[Any]:
    """A list in JSON or YAML; JSON is YAML too, but tabs in JSON are not."""
    if not text:
        return []
    try:
        entries = json.loads(text)
    except json.JSONDecodeError:
        entries = yaml.safe_load(text)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise ValueError("the value is not a list")
    return entries


def _canonical(principal: str) -> str:
    session = _SESSION.fullmatch(principal)
    return f"arn:aws:iam::{session[1]}:role/{session[2]}" if session else principal


def _fill(template: str, principal: str) -> str:
    """A user name with its placeholders replaced."""
    session = _SESSION.fullmatch(principal)
    raw = session[3] if session else ""
    account = principal.split(":")[4]
    values = {"SessionNameRaw": raw, "SessionName": raw.replace("@", "-"), "AccountID": account}
    for name, value in values.items():
        template = template.replace(f"{{{{{name}}}}}", value)
    return template
