"""Nodes of a node group: what EC2, the cloud controller and the kubelet would have made of an instance."""

from __future__ import annotations

import ipaddress
import re
import secrets
from typing import Any

from ministack.core.responses import get_region

from localcloud.extension.eks.kube import KubeClient, KubeError

Node = dict[str, Any]
GROUP = "eks.amazonaws.com/nodegroup"

_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
_IMAGES = {"AL2023": "Amazon Linux 2023", "BOTTLEROCKET": "Bottlerocket OS (aws-k8s)", "AL2": "Amazon Linux 2"}
_MEMORY = {"c": 2, "r": 8, "x": 16}
"""GiB for each virtual CPU by the first letter of the family; 4 otherwise."""


def arm(instance_type: str) -> bool:
    """Whether the type has a Graviton processor: its family has a g right after the generation."""
    return re.match(r"(a1|[a-z]+\d+g[a-z]*)\.", instance_type) is not None


def capacity(instance_type: str) -> dict[str, str]:
    """What a node of the type offers, by the naming rules of EC2; a few types really have less."""
    family, _, size = instance_type.partition(".")
    multiple = re.fullmatch(r"(\d*)xlarge", size)
    cpus = 4 * int(multiple[1] or 1) if multiple else 2
    memory = cpus * _MEMORY.get(family[0], 4) if size not in ("nano", "micro", "small") else 1
    pods = {"nano": 4, "micro": 4, "small": 11, "medium": 17, "large": 29, "xlarge": 58}.get(size, 110)
    return {"cpu": str(cpus), "memory": f"{memory}Gi", "pods": str(pods), "ephemeral-storage": "20Gi"}


def manifest(group: dict[str, Any], subnet: dict[str, Any], taken: set[str]) -> Node:
    """A node of the group in the subnet, at an address that is not taken yet."""
    address = _address(subnet, taken)
    region, zone = get_region(), subnet["AvailabilityZone"]
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    name = f"ip-{address.replace('.', '-')}.{domain}"
    instance_type = group["instanceTypes"][0]
    architecture = "arm64" if arm(instance_type) else "amd64"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "node.kubernetes.io/instance-type": instance_type,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        "topology.k8s.aws/zone-id": subnet["AvailabilityZoneId"],
        GROUP: group["nodegroupName"],
        "eks.amazonaws.com/nodegroup-image": group["_image"],
        "eks.amazonaws.com/capacityType": group["capacityType"],
    }
    if template := group.get("launchTemplate"):
        labels["eks.amazonaws.com/sourceLaunchTemplateId"] = template["id"]
        labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = template["version"]
    offered = capacity(instance_type)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**group["labels"], **labels}},
        "spec": {"providerID": f"aws:///{zone}/i-{secrets.token_hex(9)[:17]}", "taints": _taints(group)},
        "status": {
            "capacity": offered,
            "allocatable": offered,
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "architecture": architecture,
                "operatingSystem": "linux",
                "osImage": _IMAGES.get(group["amiType"].split("_")[0], "Linux"),
                "kubeletVersion": f"v{group['version']}.0-eks-local",
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "containerd://2.1.0",
                "kernelVersion": "6.12",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        },
    }


def of_group(client: KubeClient, group: str) -> list[Node]:
    """The nodes of a group, oldest first."""
    items = client.request("GET", f"/api/v1/nodes?labelSelector={GROUP}%3D{group}")["items"]
    return sorted(items, key=lambda node: (node["metadata"]["creationTimestamp"], node["metadata"]["name"]))


def addresses(client: KubeClient) -> set[str]:
    """The addresses of all nodes of the cluster."""
    items = client.request("GET", "/api/v1/nodes")["items"]
    return {a["address"] for node in items for a in node["status"].get("addresses", []) if a["type"] == "InternalIP"}


def ready(node: Node) -> bool:
    """Whether pods can be scheduled on the node: Ready, and without the taints of a node that is not."""
    conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", [])}
    waiting = any(t["key"] == "node.kubernetes.io/not-ready" for t in node["spec"].get("taints") or [])
    return conditions.get("Ready") == "True" and not waiting


def remove(client: KubeClient, name: str) -> None:
    """Drain the node and delete it; its pods go first, so that their owners replace them elsewhere.

    A DaemonSet replaces its pod on the very node until that is gone, so a second pass ends what is left.
    """
    path = f"/api/v1/nodes/{name}"
    try:
        client.request("PATCH", path, {"spec": {"unschedulable": True}}, "application/merge-patch+json")
        for pod in _on(client, name):
            if not any(owner["kind"] == "DaemonSet" for owner in pod["metadata"].get("ownerReferences", [])):
                delete_pod(client, pod)
        client.request("DELETE", path)
    except KubeError as error:
        if error.status != 404:
            raise
    for pod in _on(client, name):
        delete_pod(client, pod, "?gracePeriodSeconds=0")


def _on(client: KubeClient, name: str) -> list[dict[str, Any]]:
    return client.request("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}")["items"]


def delete_pod(client: KubeClient, pod: dict[str, Any], query: str = "") -> None:
    """Delete a pod; one that is gone is no failure."""
    try:
        client.request("DELETE", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}{query}")
    except KubeError as error:
        if error.status != 404:
            raise


def _taints(group: dict[str, Any]) -> list[dict[str, str]]:
    return [{"key": t["key"], "value": t.get("value", ""), "effect": _EFFECTS[t["effect"]]} for t in group["taints"]]


def _address(subnet: dict[str, Any], taken: set[str]) -> str:
    network = ipaddress.ip_network(subnet["CidrBlock"])
    # The first four addresses and the last one of a subnet are AWS' own.
    size = network.num_addresses
    for _ in range(1000):
        address = str(network[4 + secrets.randbelow(size - 5)])
        if address not in taken:
            taken.add(address)
            return address
    raise KubeError(500, f"subnet {subnet['SubnetId']} has no free addresses")
