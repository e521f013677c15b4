"""Clusters: created with a real control plane, updated one kind of change at a time, deleted."""

from __future__ import annotations

import logging
import re
import secrets
import time
import uuid
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, eks, iam, kms

from localcloud.extension.eks import background, fargate, system, versions
from localcloud.extension.eks.control_plane import ControlPlanes, Key, StartFailed
from localcloud.extension.eks.errors import EksError, in_use, invalid, not_found
from localcloud.extension.eks.kube import KubeError

Cluster = dict[str, Any]
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
_OPTIONAL = ("upgradePolicy", "zonalShiftConfig", "deletionProtection", "controlPlaneScalingConfig")
"""Settings that are kept and given back, and change nothing here."""
_KNOWN = {
    "name",
    "roleArn",
    "version",
    "resourcesVpcConfig",
    "kubernetesNetworkConfig",
    "logging",
    "accessConfig",
    "encryptionConfig",
    "bootstrapSelfManagedAddons",
    "tags",
    "clientRequestToken",
    *_OPTIONAL,
}

_logger = logging.getLogger("localcloud.eks")


def key_of(cluster: Cluster) -> Key:
    """Account, region and name, from the cluster's ARN."""
    parts = cluster["arn"].split(":")
    return parts[4], parts[3], cluster["name"]


def get(name: str) -> Cluster:
    """The cluster of that name in the account and region of the request."""
    cluster = eks._clusters.get(name)
    if cluster is None:
        raise not_found(f"No cluster found for name: {name}.")
    return cluster


def public(record: dict[str, Any]) -> dict[str, Any]:
    """What the API shows of a record."""
    return {name: value for name, value in record.items() if not name.startswith("_")}


class Clusters:
    """The clusters of this server. Changes run in the background and take `delay` seconds more than they need."""

    def __init__(self, control_planes: ControlPlanes, delay: float, annotated: bool) -> None:
        self._control_planes = control_planes
        self._delay = delay
        self._annotated = annotated
        self._updates: dict[tuple[Key, str], dict[str, Any]] = {}

    # Create and delete.

    def create(self, body: dict[str, Any], creator: str | None) -> Cluster:
        """CreateCluster: the record at once, the control plane in the background."""
        unknown = set(body) - _KNOWN
        if unknown:
            raise invalid(f"local cloud: CreateCluster parameters {sorted(unknown)} are not implemented")
        name = body.get("name", "")
        if not re.fullmatch(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", name):
            raise invalid(f"The cluster name '{name}' does not match ^[0-9A-Za-z][A-Za-z0-9-_]*")
        if name in eks._clusters:
            raise in_use(f"Cluster already exists with name: {name}")
        version = body.get("version") or versions.default()
        if version not in [v["clusterVersion"] for v in versions.offered()]:
            raise invalid(f"unsupported Kubernetes version {version}")
        _check_role(body.get("roleArn", ""), "eks.amazonaws.com")
        _check_keys(body.get("encryptionConfig") or [])
        network = _network(body.get("resourcesVpcConfig") or {})
        access = {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True}
        access.update(body.get("accessConfig") or {})
        network["clusterSecurityGroupId"] = _cluster_security_group(name, network["vpcId"])
        issuer = f"https://oidc.eks.{get_region()}.amazonaws.com/id/{uuid.uuid4().hex.upper()}"
        cluster: Cluster = {
            "name": name,
            "arn": eks._cluster_arn(name),
            "createdAt": eks._now(),
            "version": version,
            "roleArn": body["roleArn"],
            "endpoint": self._control_planes.reserve_endpoint(),
            "resourcesVpcConfig": network,
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"}
            | (body.get("kubernetesNetworkConfig") or {}),
            "logging": _logging(body.get("logging")),
            "identity": {"oidc": {"issuer": issuer}},
            "status": "CREATING",
            "certificateAuthority": {"data": ""},
            "platformVersion": next(v["defaultPlatformVersion"] for v in versions.offered() if v["clusterVersion"] == version),
            "tags": dict(body.get("tags") or {}),
            "encryptionConfig": body.get("encryptionConfig") or [],
            "accessConfig": access,
            "deletionProtection": False,
            "upgradePolicy": {"supportType": "EXTENDED"},
            "health": {"issues": []},
            "_auth_token": secrets.token_urlsafe(32),
            "_problem": "",
            "_addons": body.get("bootstrapSelfManagedAddons", True),
        }
        cluster.update({name: body[name] for name in _OPTIONAL if name in body})
        eks._clusters[name] = cluster
        eks._tags[cluster["arn"]] = dict(cluster["tags"])
        eks._bootstrap_creator_access_entry(name, cluster, creator)
        background.run(self._bring_up, cluster)
        return cluster

    def _bring_up(self, cluster: Cluster) -> None:
        began = time.monotonic()
        try:
            authority = self._control_planes.start(key_of(cluster), cluster)
            client = self._control_planes.client(key_of(cluster))
            if client is not None:
                system.install(client, cluster["_addons"], self._annotated)
        except (StartFailed, KubeError, OSError) as problem:
            _logger.exception("control plane of %s", cluster["name"])
            cluster["_problem"] = str(problem)
            cluster["health"] = {"issues": [{"code": "InternalFailure", "message": str(problem), "resourceIds": []}]}
            cluster["status"] = "FAILED"
            return
        _logger.info("control plane of %s came up in %.1f s", cluster["name"], time.monotonic() - began)
        cluster["certificateAuthority"]["data"] = authority
        time.sleep(self._delay)
        cluster["status"] = "ACTIVE"
        eks._schedule_access_policy_reconcile(cluster["name"])

    def delete(self, name: str) -> Cluster:
        """DeleteCluster: refused while anything still belongs to the cluster."""
        cluster = get(name)
        if cluster["status"] in ("CREATING", "UPDATING", "DELETING"):
            raise in_use(f"Cannot delete because cluster {name} currently has status {cluster['status']}")
        if any(key.startswith(f"{name}/") for key in eks._nodegroups):
            raise in_use("Cluster has nodegroups attached")
        if fargate.names(name):
            raise in_use(f"Cannot delete because cluster {name} currently has Fargate profiles")
        if cluster["deletionProtection"]:
            raise EksError(400, "InvalidRequestException", f"Cluster {name} has deletion protection enabled")
        cluster["status"] = "DELETING"
        background.run(self._take_down, cluster)
        return cluster

    def _take_down(self, cluster: Cluster) -> None:
        name = cluster["name"]
        time.sleep(self._delay)
        self._control_planes.stop(key_of(cluster))
        ec2._security_groups.pop(cluster["resourcesVpcConfig"]["clusterSecurityGroupId"], None)
        for addon in [k for k in eks._addons if k.startswith(f"{name}/")]:
            eks._addons.pop(addon)
        eks._delete_cluster(name)  # the record, its entries, policies and tags

    def wait(self, name: str) -> Cluster:
        """The cluster once nothing is in progress; EksError if it could not be made."""
        cluster = get(name)
        while cluster["status"] in ("CREATING", "UPDATING"):
            time.sleep(0.1)
        if cluster["status"] == "FAILED":
            raise EksError(500, "ServerException", f"cluster {name} did not become ACTIVE: {cluster['_problem']}")
        return cluster

    def wait_deleted(self, name: str) -> None:
        """Return once the cluster is gone."""
        while name in eks._clusters:
            time.sleep(0.1)

    # Updates.

    def update_config(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateClusterConfig."""
        cluster = get(name)
        kinds = [k for k in body if k in ("resourcesVpcConfig", "logging", "accessConfig", *_OPTIONAL)]
        unknown = set(body) - {*kinds, "name", "clientRequestToken"}
        if unknown:
            raise invalid(f"local cloud: UpdateClusterConfig parameters {sorted(unknown)} are not implemented")
        if len(kinds) != 1:
            raise invalid("Only one type of update can be allowed.")
        if "resourcesVpcConfig" in body:
            kind, change = _network_change(cluster, body["resourcesVpcConfig"])
        elif "logging" in body:
            kind, change = "LoggingUpdate", {"logging": _logging(body["logging"], cluster["logging"])}
            if change["logging"] == cluster["logging"]:
                raise invalid("No changes needed for the logging config provided")
        elif "accessConfig" in body:
            kind, change = "AccessConfigUpdate", _mode_change(cluster, body["accessConfig"])
        else:
            kind, change = f"{kinds[0][0].upper()}{kinds[0][1:].removesuffix('Config')}Update", {kinds[0]: body[kinds[0]]}
            if cluster.get(kinds[0]) == body[kinds[0]]:
                raise invalid(f"Cluster is already at the desired configuration with {kinds[0]}")
        return self._update(cluster, kind, change)

    def update_version(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateClusterVersion, one minor version up."""
        cluster, wanted = get(name), body.get("version", "")
        if wanted == cluster["version"]:
            raise invalid(f"Cluster is already at version {wanted}")
        if wanted not in [v["clusterVersion"] for v in versions.offered()]:
            raise invalid(f"unsupported Kubernetes version {wanted}")
        if int(wanted.split(".")[1]) != int(cluster["version"].split(".")[1]) + 1:
            raise invalid(f"Unsupported Kubernetes minor version update from {cluster['version']} to {wanted}")
        return self._update(cluster, "VersionUpdate", {"version": wanted})

    def describe_update(self, name: str, update_id: str) -> dict[str, Any]:
        """DescribeUpdate."""
        update = self._updates.get((key_of(get(name)), update_id))
        if update is None:
            raise not_found(f"No update found for ID: {update_id}")
        return update

    def list_updates(self, name: str) -> list[str]:
        """ListUpdates, newest first."""
        key = key_of(get(name))
        return [update_id for cluster, update_id in reversed(self._updates) if cluster == key]

    def _update(self, cluster: Cluster, kind: str, change: dict[str, Any]) -> dict[str, Any]:
        if cluster["status"] != "ACTIVE":
            raise in_use(f"Cannot {kind} because cluster {cluster['name']} currently has status {cluster['status']}")
        parameters = [{"type": name[0].upper() + name[1:], "value": str(value)} for name, value in change.items()]
        update = {
            "id": str(uuid.uuid4()),
            "status": "InProgress",
            "type": kind,
            "params": parameters,
            "createdAt": eks._now(),
            "errors": [],
        }
        cluster["status"] = "UPDATING"
        self._updates[key_of(cluster), update["id"]] = update
        background.run(self._finish, cluster, update, change)
        return update

    def _finish(self, cluster: Cluster, update: dict[str, Any], change: dict[str, Any]) -> None:
        time.sleep(max(self._delay, 0.2))
        cluster.update(change)
        cluster["status"] = "ACTIVE"
        update["status"] = "Successful"


def _check_role(arn: str, service: str) -> None:
    role = iam._roles.get(arn.rpartition("/")[2])
    if role is None or role["Arn"] != arn or service not in str(role.get("AssumeRolePolicyDocument")):
        raise invalid(f"Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct")


def _check_keys(encryption: list[dict[str, Any]]) -> None:
    for entry in encryption:
        arn = entry.get("provider", {}).get("keyArn", "")
        if arn.rpartition("/")[2] not in kms._keys:
            raise invalid(f"KeyArn {arn} in encryptionConfig is not valid: the key does not exist")


def _network(asked: dict[str, Any]) -> dict[str, Any]:
    subnets = _subnets(asked.get("subnetIds") or [])
    vpc = subnets[0]["VpcId"]
    for group in asked.get("securityGroupIds") or []:
        if ec2._security_groups.get(group, {}).get("VpcId") != vpc:
            raise invalid(f"The security group ID '{group}' does not exist in {vpc}")
    network = {"endpointPublicAccess": True, "endpointPrivateAccess": False, "securityGroupIds": [], **asked, "vpcId": vpc}
    if not network["endpointPublicAccess"] and not network["endpointPrivateAccess"]:
        raise invalid("Private and public endpoint access cannot be false")
    if not network.get("publicAccessCidrs"):
        network["publicAccessCidrs"] = ["0.0.0.0/0"] if network["endpointPublicAccess"] else []
    return network


def _subnets(ids: list[str]) -> list[dict[str, Any]]:
    missing = [i for i in ids if i not in ec2._subnets]
    if missing:
        raise invalid(f"The subnet ID '{missing[0]}' does not exist")
    subnets = [ec2._subnets[i] for i in ids]
    if len({s["AvailabilityZone"] for s in subnets}) < 2:
        raise invalid("Subnets specified must be in at least two different AZs")
    if len({s["VpcId"] for s in subnets}) > 1:
        raise invalid("Subnets specified must belong to the same VPC")
    return subnets


def _cluster_security_group(name: str, vpc: str) -> str:
    """The group EKS makes for itself: members may talk to each other."""
    group = ec2._new_sg_id()
    everything = {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    ec2._security_groups[group] = {
        "GroupId": group,
        "GroupName": f"eks-cluster-sg-{name}-{secrets.randbelow(10**9)}",
        "Description": "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes",
        "VpcId": vpc,
        "OwnerId": get_account_id(),
        "IpPermissions": [{**everything, "UserIdGroupPairs": [{"GroupId": group, "UserId": get_account_id()}]}],
        "IpPermissionsEgress": [{**everything, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    }
    ec2._tags[group] = [{"Key": f"kubernetes.io/cluster/{name}", "Value": "owned"}, {"Key": "aws:eks:cluster-name", "Value": name}]
    return group


def _logging(asked: dict[str, Any] | None, present: dict[str, Any] | None = None) -> dict[str, Any]:
    """All log types, each enabled or not; types that are not named stay as they are."""
    enabled = {t for s in (present or {}).get("clusterLogging", []) if s["enabled"] for t in s["types"]}
    for setup in (asked or {}).get("clusterLogging", []):
        change = enabled.update if setup.get("enabled") else enabled.difference_update
        change(setup.get("types") or [])
    on = [t for t in LOG_TYPES if t in enabled]
    off = [t for t in LOG_TYPES if t not in enabled]
    return {"clusterLogging": [{"types": types, "enabled": state} for types, state in ((on, True), (off, False)) if types]}


def _network_change(cluster: Cluster, asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    endpoint = {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"} & set(asked)
    members = {"subnetIds", "securityGroupIds"} & set(asked)
    if endpoint and members:
        raise invalid("Only one type of update can be allowed.")
    present = cluster["resourcesVpcConfig"]
    if all(present.get(name) == value for name, value in asked.items()):
        shown = ", ".join(f"{name}: {str(value).lower()}" for name, value in asked.items())
        raise invalid(f"Cluster is already at the desired configuration with {shown}")
    if "subnetIds" in asked:
        zones = {s["AvailabilityZone"] for s in _subnets(asked["subnetIds"])}
        if zones != {ec2._subnets[s]["AvailabilityZone"] for s in present["subnetIds"]}:
            raise invalid("Provided subnets belong to different AZs from those of the existing subnets")
    changed = _network({**present, **asked})
    return ("EndpointAccessUpdate" if endpoint else "VpcConfigUpdate"), {"resourcesVpcConfig": changed}


def _mode_change(cluster: Cluster, asked: dict[str, Any]) -> dict[str, Any]:
    present, wanted = cluster["accessConfig"]["authenticationMode"], asked.get("authenticationMode")
    if wanted not in _MODES or _MODES.index(wanted) <= _MODES.index(present):
        raise invalid(f"Unsupported authentication mode update from {present} to {wanted}")
    return {"accessConfig": {**cluster["accessConfig"], "authenticationMode": wanted}}
