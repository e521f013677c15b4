"""Fargate profiles. Pods that match one are scheduled on the cluster's ordinary nodes."""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import ec2, eks, iam

from localcloud.extension.eks.errors import in_use, invalid, not_found

Profile = dict[str, Any]

_profiles = AccountRegionScopedDict()  # "cluster/profile" to record, as MiniStack keeps node groups


def names(cluster: str) -> list[str]:
    """The names of a cluster's profiles."""
    return [key.split("/", 1)[1] for key in _profiles if key.startswith(f"{cluster}/")]


def get(cluster: str, name: str) -> Profile:
    """The profile."""
    if cluster not in eks._clusters:
        raise not_found(f"No cluster found for name: {cluster}.")
    profile = _profiles.get(f"{cluster}/{name}")
    if profile is None:
        raise not_found(f"No Fargate Profile found with name: {name}.")
    return profile


class FargateProfiles:
    """Create and delete; each takes `delay` seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def create(self, cluster: str, body: dict[str, Any]) -> Profile:
        """CreateFargateProfile."""
        if cluster not in eks._clusters:
            raise not_found(f"No cluster found for name: {cluster}.")
        name = body.get("fargateProfileName", "")
        if name in names(cluster):
            raise in_use("A Fargate Profile already exists with this name in this cluster.")
        _refuse_while_busy(cluster)
        if not 1 <= len(body.get("selectors") or []) <= 5:
            raise invalid("Fargate Profile must have between 1 and 5 selectors")
        role = body.get("podExecutionRoleArn", "")
        trust = str((iam._roles.get(role.rpartition("/")[2]) or {}).get("AssumeRolePolicyDocument"))
        if "eks-fargate-pods.amazonaws.com" not in trust:
            raise invalid("Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal")
        if any(group["nodeRole"] == role for group in eks._nodegroups.values()):
            raise invalid(f"Role {role} is already in use by a node group (PodExecutionRoleAlreadyInUse)")
        for subnet in body.get("subnets") or []:
            _check_private(subnet)
        arn = f"arn:aws:eks:{get_region()}:{get_account_id()}:fargateprofile/{cluster}/{name}/{uuid.uuid4()}"
        profile = {
            "fargateProfileName": name,
            "fargateProfileArn": arn,
            "clusterName": cluster,
            "createdAt": eks._now(),
            "podExecutionRoleArn": role,
            "subnets": list(body.get("subnets") or []),
            "selectors": body["selectors"],
            "status": "CREATING",
            "tags": dict(body.get("tags") or {}),
            "health": {"issues": []},
        }
        _profiles[f"{cluster}/{name}"] = profile
        _after(self._delay, profile.update, {"status": "ACTIVE"})
        return profile

    def delete(self, cluster: str, name: str) -> Profile:
        """DeleteFargateProfile."""
        profile = get(cluster, name)
        _refuse_while_busy(cluster)
        profile["status"] = "DELETING"
        _after(self._delay, _profiles.pop, f"{cluster}/{name}", None)
        return profile

    @staticmethod
    def wait(cluster: str, name: str) -> Profile:
        """The profile once it is made."""
        while (profile := get(cluster, name))["status"] == "CREATING":
            time.sleep(0.05)
        return profile

    @staticmethod
    def wait_deleted(cluster: str, name: str) -> None:
        """Return once the profile is gone."""
        while f"{cluster}/{name}" in _profiles:
            time.sleep(0.05)


def _refuse_while_busy(cluster: str) -> None:
    for name in names(cluster):
        status = get(cluster, name)["status"]
        if status != "ACTIVE":
            raise in_use(
                f"Cannot change Fargate profiles because cluster {cluster} currently has Fargate profile {name} in status {status}"
            )


def _check_private(subnet: str) -> None:
    if subnet not in ec2._subnets:
        raise invalid(f"The subnet ID '{subnet}' does not exist")
    for table in ec2._route_tables.values():
        associated = any(a.get("SubnetId") == subnet for a in table["Associations"])
        if associated and any(str(route.get("GatewayId", "")).startswith("igw-") for route in table["Routes"]):
            raise invalid(f"Subnet {subnet} provided in Fargate Profile is not a private subnet")


def _after(seconds: float, function: Any, *arguments: Any) -> None:
    context = contextvars.copy_context()
    timer = threading.Timer(max(seconds, 0.1), context.run, (function, *arguments))
    timer.daemon = True
    timer.start()
