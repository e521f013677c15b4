"""What makes an application known to the world, as the load balancer controller keeps hold of it."""

from __future__ import annotations

import time

from localcloud.extension.eks.kube import KubeClient, KubeError

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
SERVICES = "/api/v1/namespaces/default/services"


def expose(kube: KubeClient, path: str, name: str) -> str:
    """An Ingress, or a Service of type LoadBalancer, with the controller's finalizer; its path."""
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}
    ingress = path == INGRESSES
    body = {
        "apiVersion": "networking.k8s.io/v1" if ingress else "v1",
        "kind": "Ingress" if ingress else "Service",
        "metadata": {"name": name, "finalizers": ["ingress.k8s.aws/resources" if ingress else "service.k8s.aws/resources"]},
        "spec": {"rules": [rule]} if ingress else {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}},
    }
    end = time.monotonic() + 10
    while True:
        try:
            kube.request("POST", path, body)
            return f"{path}/{name}"
        except KubeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
