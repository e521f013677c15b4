"""What EKS itself puts into a new cluster: CoreDNS, the VPC CNI and kube-proxy, and its own RBAC."""

from __future__ import annotations

import functools
import importlib.resources
from typing import Any

import yaml

from localcloud.extension.eks.kube import KubeClient

_PATHS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ServiceAccount": "/api/v1/namespaces/kube-system/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/kube-system/configmaps",
    "Service": "/api/v1/namespaces/kube-system/services",
    "Deployment": "/apis/apps/v1/namespaces/kube-system/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/kube-system/daemonsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets",
}
_COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
_RBAC = ("ClusterRole", "ClusterRoleBinding")


def install(client: KubeClient, addons: bool, annotated: bool) -> None:
    """Apply the objects; without `addons` the RBAC alone, as bootstrapSelfManagedAddons=false asks.

    `annotated` gives CoreDNS the annotation that keeps it off Fargate. Older clusters have it, new ones do not:
    https://github.com/awsdocs/amazon-eks-user-guide/issues/775
    """
    for manifest in _manifests():
        if not addons and manifest["kind"] not in _RBAC:
            continue
        if annotated and manifest["kind"] == "Deployment":
            template = manifest["spec"]["template"]
            template = {**template, "metadata": {**template["metadata"], "annotations": {_COMPUTE_TYPE: "ec2"}}}
            manifest = {**manifest, "spec": {**manifest["spec"], "template": template}}
        client.apply(f"{_PATHS[manifest['kind']]}/{manifest['metadata']['name']}", manifest)


@functools.cache
def _manifests() -> tuple[dict[str, Any], ...]:
    file = importlib.resources.files("localcloud.extension") / "data" / "kube-system.yaml"
    return tuple(yaml.safe_load_all(file.read_text(encoding="utf-8")))
