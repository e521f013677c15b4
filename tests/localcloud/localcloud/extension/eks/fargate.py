"""Fargate profiles: records, and the file by which the control plane's scheduler of Fargate knows them."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import ec2, eks, iam

from localcloud.extension import egress
from localcloud.extension.eks import background, node_access, nodes
from localcloud.extension.eks.control_plane import ControlPlanes, Key
from localcloud.extension.eks.errors import in_use, invalid, not_found
from localcloud.extension.eks.kube import KubeError

Profile = dict[str, Any]

_LABEL = "eks.amazonaws.com/fargate-profile"
_logger = logging.getLogger("localcloud.eks")

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

    def __init__(self, control_planes: ControlPlanes, delay: float) -> None:
        self._control_planes = control_planes
        self._delay = delay
        self._lock = threading.Lock()

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
        eks._tags[profile["fargateProfileArn"]] = dict(profile["tags"])
        background.run(self._activate, profile)
        return profile

    def delete(self, cluster: str, name: str) -> Profile:
        """DeleteFargateProfile."""
        profile = get(cluster, name)
        _refuse_while_busy(cluster)
        profile["status"] = "DELETING"
        background.run(self._remove, profile)
        return profile

    def _activate(self, profile: Profile) -> None:
        time.sleep(max(self._delay, 0.1))
        client = self._control_planes.client(_key(profile))
        try:
            if client is not None:
                node_access.grant(eks._clusters[profile["clusterName"]], client, profile["podExecutionRoleArn"], "FARGATE_LINUX")
        except (KubeError, OSError):
            _logger.exception("Fargate profile %s", profile["fargateProfileName"])
        profile["status"] = "ACTIVE"
        self._publish(profile)

    def _remove(self, profile: Profile) -> None:
        """The profile's pods end with it; what replaces them finds no profile and waits."""
        self._publish(profile)
        time.sleep(max(self._delay, 0.1))
        client = self._control_planes.client(_key(profile))
        try:
            if client is not None:
                for pod in client.request("GET", f"/api/v1/pods?labelSelector={_LABEL}%3D{profile['fargateProfileName']}")["items"]:
                    nodes.delete_pod(client, pod)
        except (KubeError, OSError):
            _logger.exception("Fargate profile %s", profile["fargateProfileName"])
        _profiles.pop(f"{profile['clusterName']}/{profile['fargateProfileName']}", None)
        eks._tags.pop(profile["fargateProfileArn"], None)

    def _publish(self, changed: Profile) -> None:
        """Write all profiles that are ACTIVE where the scheduler reads them."""
        with self._lock:
            cluster = changed["clusterName"]
            active = [p for name in names(cluster) if (p := get(cluster, name))["status"] == "ACTIVE"]
            self._control_planes.write(_key(changed), "fargate.json", [_described(p) for p in active])

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
    if egress.default_route(ec2._subnets[subnet]) == "igw":
        raise invalid(f"Subnet {subnet} provided in Fargate Profile is not a private subnet")


def _key(profile: Profile) -> Key:
    parts = profile["fargateProfileArn"].split(":")
    return parts[4], parts[3], profile["clusterName"]


def _described(profile: Profile) -> dict[str, Any]:
    """What the scheduler needs to know."""
    subnets = [ec2._subnets[s] for s in profile["subnets"] if s in ec2._subnets]
    return {
        "name": profile["fargateProfileName"],
        "selectors": [{"namespace": s["namespace"], "labels": s.get("labels") or {}} for s in profile["selectors"]],
        "subnets": [{"cidr": s["CidrBlock"], "zone": s["AvailabilityZone"]} for s in subnets],
    }
