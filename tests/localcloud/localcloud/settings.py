"""What `start` tells the server process, by environment variable.

The server runs with nothing but these variables, so that neither credentials nor any other
setting of the host reach it or the Lambda functions it starts.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from localcloud.layout import Layout, kubernetes_binary


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one instance."""

    layout: Layout
    port: int
    kubernetes: pathlib.Path
    eks_delay: float
    """Seconds that a cluster, a Fargate profile or an update stays in progress longer than needed."""
    eks_nodes: int
    """Nodes that a new cluster starts with."""
    coredns_annotation: bool
    """Whether CoreDNS has the annotation that keeps it off Fargate, as on older clusters."""
    services_port: int
    """Port of the chart repository and of the gate."""
    address: str
    """The address that everything is at and named by; containers reach another one than 127.0.0.1."""
    invoke_url: str
    """Where the state machine's invocations of functions go; empty: straight to the functions."""
    function_endpoint: str
    """The AWS endpoint that functions are given; empty: this instance."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """The settings the server process was given."""
        return cls(
            layout=Layout(pathlib.Path(env["LOCALCLOUD_DIR"])),
            port=int(env["GATEWAY_PORT"]),
            kubernetes=pathlib.Path(env.get("LOCALCLOUD_KUBERNETES") or kubernetes_binary()),
            eks_delay=float(env.get("LOCALCLOUD_EKS_DELAY") or 0),
            eks_nodes=int(env.get("LOCALCLOUD_EKS_NODES") or 0),
            services_port=int(env["LOCALCLOUD_SERVICES_PORT"]),
            address=env["BIND_HOST"],
            invoke_url=env.get("LOCALCLOUD_INVOKE_URL", ""),
            function_endpoint=env.get("LOCALCLOUD_FUNCTION_ENDPOINT", ""),
            coredns_annotation=env.get("LOCALCLOUD_COREDNS_ANNOTATION", "") not in ("", "0", "false"),
        )

    @property
    def endpoint(self) -> str:
        """The one AWS endpoint."""
        return f"http://{self.address}:{self.port}"


PASSED_ON = (
    "LOCALCLOUD_COREDNS_ANNOTATION",
    "LOCALCLOUD_EKS_DELAY",
    "LOCALCLOUD_EKS_NODES",
    "LOCALCLOUD_FUNCTION_ENDPOINT",
    "LOCALCLOUD_INVOKE_URL",
    "LOCALCLOUD_KUBERNETES",
)
"""Variables of the caller that reach the server."""


def server_environment(layout: Layout, port: int, services_port: int, caller: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the server process."""
    package = pathlib.Path(__file__).resolve().parents[1]
    address = caller.get("LOCALCLOUD_ADDRESS") or "127.0.0.1"
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(layout.run),
        "TMPDIR": str(layout.temporary),
        "PYTHONPATH": str(package),
        "PYTHONUNBUFFERED": "1",
        "AUTH": "true",
        "BIND_HOST": address,
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": f"http://{address}:{port}",
        "MINISTACK_HOST": address,
        "MINISTACK_REGION": "us-east-1",
        "MINISTACK_ACCOUNT_ID": "111111111111",
        "DOCKER_HOST": "tcp://127.0.0.1:1",  # no container is ever started
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": caller.get("LOCALCLOUD_LOG_LEVEL", "INFO"),
        "LOCALCLOUD_DIR": str(layout.base),
        "LOCALCLOUD_SERVICES_PORT": str(services_port),
    }
    env.update({name: caller[name] for name in PASSED_ON if name in caller})
    return env
