"""Managed node groups: their instances are nodes of the cluster that kwok keeps Ready."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
import uuid
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, eks

from localcloud.extension import egress
from localcloud.extension.eks import background, launch, node_access, nodes
from localcloud.extension.eks.control_plane import ControlPlanes
from localcloud.extension.eks.errors import EksError, in_use, invalid, not_found
from localcloud.extension.eks.kube import KubeClient, KubeError

Group = dict[str, Any]
_KNOWN = {
    "nodegroupName",
    "scalingConfig",
    "diskSize",
    "subnets",
    "instanceTypes",
    "amiType",
    "remoteAccess",
    "nodeRole",
    "labels",
    "taints",
    "tags",
    "clientRequestToken",
    "launchTemplate",
    "updateConfig",
    "nodeRepairConfig",
    "capacityType",
    "version",
    "releaseVersion",
}
_READY_SECONDS = 60
_BUSY = ("CREATING", "UPDATING", "DELETING")

_logger = logging.getLogger("localcloud.eks")


def names(cluster: str) -> list[str]:
    """The names of a cluster's groups."""
    return [key.split("/", 1)[1] for key in eks._nodegroups if key.startswith(f"{cluster}/")]


def get(cluster: str, name: str) -> Group:
    """The group."""
    _cluster(cluster)
    group = eks._nodegroups.get(f"{cluster}/{name}")
    if group is None:
        raise not_found(f"No node group found for name: {name}.")
    return group


def _cluster(name: str) -> dict[str, Any]:
    if name not in eks._clusters:
        raise not_found(f"No cluster found for name: {name}.")
    return eks._clusters[name]


class NodeGroups:
    """Create, update and delete; each takes `delay` seconds more than it needs."""

    def __init__(self, control_planes: ControlPlanes, delay: float) -> None:
        self._control_planes = control_planes
        self._delay = delay
        self._updates: dict[tuple[str, str], dict[str, Any]] = {}

    def create(self, cluster_name: str, body: dict[str, Any]) -> Group:
        """CreateNodegroup: the record at once, the nodes in the background."""
        cluster = _cluster(cluster_name)
        unknown = set(body) - _KNOWN
        if unknown:
            raise invalid(f"local cloud: CreateNodegroup parameters {sorted(unknown)} are not implemented")
        if cluster["status"] not in ("ACTIVE", "UPDATING"):
            raise EksError(400, "InvalidRequestException", f"Cluster '{cluster_name}' is not in ACTIVE status")
        name = body.get("nodegroupName", "")
        if not name:
            raise invalid("Nodegroup name is required.")
        if name in names(cluster_name):
            raise in_use(f"NodeGroup already exists with name {name} and cluster name {cluster_name}")
        if body.get("remoteAccess"):
            raise invalid("local cloud: remoteAccess is not implemented")
        role = body.get("nodeRole", "")
        launch.check_role(role)
        version = body.get("version") or cluster["version"]
        if _minor(version) > _minor(cluster["version"]):
            raise invalid(f"Nodegroup Kubernetes version {version} is newer than that of the cluster, {cluster['version']}")
        scaling = _scaling(body.get("scalingConfig") or {})
        arn = f"arn:aws:eks:{get_region()}:{get_account_id()}:nodegroup/{cluster_name}/{name}/{uuid.uuid4()}"
        group: Group = {
            "nodegroupName": name,
            "nodegroupArn": arn,
            "clusterName": cluster_name,
            "version": version,
            "releaseVersion": body.get("releaseVersion") or f"{version}.0-20261101",
            "createdAt": eks._now(),
            "modifiedAt": eks._now(),
            "status": "CREATING",
            "capacityType": body.get("capacityType") or "ON_DEMAND",
            "scalingConfig": scaling,
            "subnets": self._subnets(body.get("subnets") or [], cluster),
            "nodeRole": role,
            "labels": dict(body.get("labels") or {}),
            "taints": list(body.get("taints") or []),
            "updateConfig": body.get("updateConfig") or {"maxUnavailable": 1},
            "health": {"issues": []},
            "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{uuid.uuid4()}"}]},
            "tags": dict(body.get("tags") or {}),
            **launch.resolve(body, version),
            "_image": f"ami-{secrets.token_hex(9)[:17]}",
        }
        if "nodeRepairConfig" in body:
            group["nodeRepairConfig"] = body["nodeRepairConfig"]
        eks._nodegroups[f"{cluster_name}/{name}"] = group
        eks._tags[arn] = dict(group["tags"])
        background.run(self._finish, group, "CREATE_FAILED", None)
        return group

    def update_config(self, cluster: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateNodegroupConfig."""
        group, change = get(cluster, name), {}
        if "scalingConfig" in body:
            change["scalingConfig"] = _scaling({**group["scalingConfig"], **body["scalingConfig"]})
        if "labels" in body:
            removed = body["labels"].get("removeLabels") or []
            kept = {k: v for k, v in group["labels"].items() if k not in removed}
            change["labels"] = {**kept, **(body["labels"].get("addOrUpdateLabels") or {})}
        if "taints" in body:
            away = [(t["key"], t["effect"]) for t in body["taints"].get("removeTaints") or []]
            added = body["taints"].get("addOrUpdateTaints") or []
            away += [(t["key"], t["effect"]) for t in added]
            change["taints"] = [t for t in group["taints"] if (t["key"], t["effect"]) not in away] + added
        change.update({n: body[n] for n in ("updateConfig", "nodeRepairConfig") if n in body})
        if not change:
            raise invalid("No changes needed for the node group configuration provided")
        return self._update(group, "ConfigUpdate", change)

    def update_version(self, cluster: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateNodegroupVersion: every node is replaced by one of the new version or launch template."""
        group, change = get(cluster, name), {}
        if "launchTemplate" in body:
            present = group.get("launchTemplate")
            if present is None:
                raise invalid("You cannot add a launch template to a node group that was created without one.")
            data, wanted = launch.find(body["launchTemplate"])
            if wanted["id"] != present["id"]:
                raise invalid("The launch template of a node group cannot be changed, its version alone can.")
            change["launchTemplate"] = wanted
            if data.get("InstanceType"):
                change["instanceTypes"] = [data["InstanceType"]]
        version = body.get("version") or ("" if change else eks._clusters[cluster]["version"])
        if version:
            if _minor(version) < _minor(group["version"]):
                raise invalid(f"Nodegroup cannot be updated to version {version}, earlier than its {group['version']}")
            if _minor(version) > _minor(eks._clusters[cluster]["version"]):
                raise invalid(f"Nodegroup version {version} is newer than the cluster's {eks._clusters[cluster]['version']}")
            change["version"] = version
            change["releaseVersion"] = body.get("releaseVersion") or f"{version}.0-20261101"
        elif "releaseVersion" in body:
            change["releaseVersion"] = body["releaseVersion"]
        return self._update(group, "VersionUpdate", {**change, "_image": f"ami-{secrets.token_hex(9)[:17]}"})

    def describe_update(self, cluster: str, name: str, update_id: str) -> dict[str, Any]:
        """DescribeUpdate of a group."""
        update = self._updates.get((get(cluster, name)["nodegroupArn"], update_id))
        if update is None:
            raise not_found(f"No update found for ID: {update_id}")
        return update

    def list_updates(self, cluster: str, name: str) -> list[str]:
        """ListUpdates of a group, newest first."""
        arn = get(cluster, name)["nodegroupArn"]
        return [update for owner, update in reversed(self._updates) if owner == arn]

    def delete(self, cluster: str, name: str) -> Group:
        """DeleteNodegroup; what EKS wrote for the node role stays."""
        group = get(cluster, name)
        if group["status"] in _BUSY:
            raise in_use(f"Nodegroup {name} cannot be deleted because it currently has status {group['status']}")
        group["status"] = "DELETING"
        background.run(self._remove, group)
        return group

    def wait(self, cluster: str, name: str) -> Group:
        """The group once nothing is in progress; EksError if that did not end well."""
        while (group := get(cluster, name))["status"] in ("CREATING", "UPDATING"):
            time.sleep(0.05)
        if issues := group["health"]["issues"]:
            shown = ", ".join(f"Issue(Code={i['code']}, Message={i['message']}, ResourceIds={i['resourceIds']})" for i in issues)
            raise EksError(400, "GeneralServiceException", f"[{shown}]")
        return group

    @staticmethod
    def wait_deleted(cluster: str, name: str) -> None:
        """Return once the group is gone."""
        while f"{cluster}/{name}" in eks._nodegroups:
            time.sleep(0.05)

    def _client(self, group: Group) -> KubeClient:
        parts = group["nodegroupArn"].split(":")
        client = self._control_planes.client((parts[4], parts[3], group["clusterName"]))
        if client is None:
            raise KubeError(503, f"the control plane of {group['clusterName']} is gone")
        return client

    def _update(self, group: Group, kind: str, change: dict[str, Any]) -> dict[str, Any]:
        if group["status"] in _BUSY:
            raise in_use(f"Nodegroup {group['nodegroupName']} cannot be updated because it currently has status {group['status']}")
        shown = [{"type": n[0].upper() + n[1:], "value": str(v)} for n, v in change.items() if not n.startswith("_")]
        update = {
            "id": str(uuid.uuid4()),
            "status": "InProgress",
            "type": kind,
            "params": shown,
            "createdAt": eks._now(),
            "errors": [],
        }
        self._updates[group["nodegroupArn"], update["id"]] = update
        group["status"] = "UPDATING"
        replaced = [] if kind == "ConfigUpdate" else [n["metadata"]["name"] for n in self._nodes(group)]
        group.update(change)
        background.run(self._finish, group, "ACTIVE", update, replaced)
        return update

    def _finish(self, group: Group, failed: str, update: dict[str, Any] | None, replaced: list[str] | tuple[str, ...] = ()) -> None:
        """Bring the nodes to what the record says."""
        time.sleep(self._delay)
        issues: list[dict[str, Any]] = []
        try:
            issues = self._converge(group, replaced)
        except (KubeError, EksError, OSError) as problem:
            _logger.exception("node group %s", group["nodegroupName"])
            issues = [{"code": "InternalFailure", "message": str(problem), "resourceIds": []}]
        group["health"] = {"issues": issues}
        group["modifiedAt"] = eks._now()
        group["status"] = failed if issues else "ACTIVE"
        if update is not None:
            update["status"] = "Failed" if issues else "Successful"
            update["errors"] = [{"errorCode": i["code"], "errorMessage": i["message"], "resourceIds": i["resourceIds"]} for i in issues]

    def _converge(self, group: Group, replaced: list[str] | tuple[str, ...]) -> list[dict[str, Any]]:
        client = self._client(group)
        cluster = eks._clusters[group["clusterName"]]
        account, region = get_account_id(), get_region()
        present = [n for n in self._nodes(group) if n["metadata"]["name"] not in replaced]
        wanted = group["scalingConfig"]["desiredSize"]
        surplus = [n["metadata"]["name"] for n in present[wanted:]]
        added: list[str] = []
        if wanted > len(present):
            problems = self._hindrances(group, cluster, client, known=node_access.known(cluster, account, region, group["nodeRole"]))
            if problems:
                _logger.warning("node group %s: nodes cannot join: %s", group["nodegroupName"], "; ".join(problems))
                ids = [f"i-{secrets.token_hex(9)[:17]}" for _ in range(wanted - len(present))]
                message = "Instances failed to join the kubernetes cluster"
                return [{"code": "NodeCreationFailure", "message": message, "resourceIds": ids}]
            node_access.grant(cluster, client, group["nodeRole"], "EC2_LINUX")
            added = self._add(group, client, wanted - len(present), len(present))
        self._await(client, added)
        for name in (*replaced, *surplus):
            nodes.remove(client, name)
        for node in present[:wanted]:
            wishes = nodes.manifest(group, self._any_subnet(group), set())
            change = {"metadata": {"labels": group["labels"]}, "spec": {"taints": wishes["spec"]["taints"]}}
            client.request("PATCH", f"/api/v1/nodes/{node['metadata']['name']}", change, "application/merge-patch+json")
        return []

    def _add(self, group: Group, client: KubeClient, count: int, offset: int) -> list[str]:
        taken = nodes.addresses(client)
        zones = itertools.islice(itertools.cycle(group["subnets"]), offset, offset + count)
        made = []
        for subnet in zones:
            node = nodes.manifest(group, ec2._subnets[subnet], taken)
            client.request("POST", "/api/v1/nodes?fieldManager=eks", node)
            made.append(node["metadata"]["name"])
        return made

    @staticmethod
    def _await(client: KubeClient, wanted: list[str]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        for name in wanted:
            while not nodes.ready(client.request("GET", f"/api/v1/nodes/{name}")):
                if time.monotonic() > deadline:
                    raise KubeError(504, f"node {name} did not become Ready")
                time.sleep(0.05)

    def _remove(self, group: Group) -> None:
        time.sleep(self._delay)
        try:
            client = self._client(group)
            for node in self._nodes(group):
                nodes.remove(client, node["metadata"]["name"])
        except (KubeError, OSError):
            _logger.exception("node group %s", group["nodegroupName"])
        eks._nodegroups.pop(f"{group['clusterName']}/{group['nodegroupName']}", None)
        eks._tags.pop(group["nodegroupArn"], None)

    def _nodes(self, group: Group) -> list[nodes.Node]:
        return nodes.of_group(self._client(group), group["nodegroupName"])

    @staticmethod
    def _any_subnet(group: Group) -> dict[str, Any]:
        return ec2._subnets[group["subnets"][0]]

    @staticmethod
    def _subnets(ids: list[str], cluster: dict[str, Any]) -> list[str]:
        if not ids:
            raise invalid("Subnets are not provided")
        for subnet in ids:
            if subnet not in ec2._subnets:
                raise invalid(f"The subnet ID '{subnet}' does not exist")
            if ec2._subnets[subnet]["VpcId"] != cluster["resourcesVpcConfig"]["vpcId"]:
                raise invalid(f"Subnets {subnet} are not in the VPC of cluster {cluster['name']}")
        return list(ids)

    @staticmethod
    def _hindrances(group: Group, cluster: dict[str, Any], client: KubeClient, known: bool) -> list[str]:
        """Why instances would not become nodes. AWS has one message for all of these, after 15 minutes:
        https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting.html#worker-node-fail
        """
        network = cluster["resourcesVpcConfig"]
        member = launch.groups(group.get("launchTemplate"), network["clusterSecurityGroupId"])
        problems = launch.lacking(group["nodeRole"])
        if not known:
            problems.append(f"the access entry of {group['nodeRole']} is that of a deleted role of this name")
        if network["clusterSecurityGroupId"] not in member:
            problems.append(f"the launch template's security groups leave out {network['clusterSecurityGroupId']}")
        for identifier in group["subnets"]:
            subnet = ec2._subnets[identifier]
            missing = egress.unreachable(subnet, member)
            if missing:
                problems.append(f"subnet {identifier} has no way to {', '.join(missing)}")
            if not network["endpointPrivateAccess"] and not egress.default_route(subnet):
                problems.append(f"subnet {identifier} has no way to the public endpoint")
        if client.get("/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node") is None:
            problems.append("the cluster has no network plugin (DaemonSet aws-node)")
        return problems


def _scaling(asked: dict[str, Any]) -> dict[str, int]:
    scaling = {"minSize": 1, "maxSize": 2, "desiredSize": 2 if not asked else max(1, int(asked.get("minSize", 1)))}
    scaling.update({name: int(value) for name, value in asked.items()})
    launch.check_scaling(scaling)
    return scaling


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
