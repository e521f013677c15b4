"""One local cloud for the whole session, in a temporary directory, and helpers to use it."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.client
import botocore.session
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from localcloud import cloud as instance
from localcloud.extension.eks.kube import KubeClient
from localcloud.layout import Layout, kubernetes_binary

Template = dict[str, Any]


def trust(service: str) -> dict[str, Any]:
    """A trust policy for an AWS service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role(service: str, **properties: Any) -> dict[str, Any]:
    """A role resource for an AWS service."""
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust(service), **properties}}


class StackFailed(Exception):
    """A stack did not come to a good end; the text holds the reasons of its failed resources."""


@dataclasses.dataclass
class Cloud:
    """A running instance."""

    layout: Layout
    env: dict[str, str]
    # Kept, because a client is slow to make.
    session: botocore.session.Session = dataclasses.field(default_factory=botocore.session.Session)
    clients: dict[tuple[Any, ...], botocore.client.BaseClient] = dataclasses.field(default_factory=dict)

    def client(self, service: str, account: str = "platform", region: str = "us-east-1", **keys: str) -> botocore.client.BaseClient:
        """A client with the deployer's keys, or with the keys given."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if account == "target":
            names = ("LOCALCLOUD_TARGET_ACCESS_KEY_ID", "LOCALCLOUD_TARGET_SECRET_ACCESS_KEY")
        keys = keys or {"aws_access_key_id": self.env[names[0]], "aws_secret_access_key": self.env[names[1]]}
        key = (service, region, *sorted(keys.items()))
        if key not in self.clients:
            endpoint = self.env["AWS_ENDPOINT_URL"]
            self.clients[key] = self.session.create_client(service, region_name=region, endpoint_url=endpoint, **keys)
        return self.clients[key]

    def start_deploy(self, name: str, resources: Template, outputs: Template | None = None, update: bool = False, **more: Any) -> None:
        """Begin to create or update a stack."""
        template = json.dumps({"Resources": resources, "Outputs": {k: {"Value": v} for k, v in (outputs or {}).items()}})
        stacks = self.client("cloudformation")
        call = stacks.update_stack if update else stacks.create_stack
        call(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"], **more)

    def deploy(self, name: str, resources: Template, outputs: Template | None = None, update: bool = False, **more: Any) -> dict[str, str]:
        """Create or update a stack and return its outputs; StackFailed unless it ends COMPLETE."""
        self.start_deploy(name, resources, outputs, update, **more)
        stack = self.settled(name)
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackFailed(self.reasons(name))
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def settled(self, name: str) -> dict[str, Any]:
        """The stack once nothing is in progress."""
        stacks = self.client("cloudformation")
        return until(
            lambda: next((s for s in stacks.describe_stacks(StackName=name)["Stacks"] if "IN_PROGRESS" not in s["StackStatus"]), None)
        )

    def reasons(self, name: str) -> str:
        """The reasons of the failed events of a stack."""
        events = self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"])

    def delete(self, name: str) -> str:
        """Delete a stack and return its last status."""
        stacks = self.client("cloudformation")
        identifier = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        stacks.delete_stack(StackName=name)
        return self.settled(identifier)["StackStatus"]


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of condition."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "condition did not come true in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The instance under test; creation of clusters is slowed by a second so that it can be seen."""
    layout = Layout(tmp_path_factory.mktemp("cloud"))
    os.environ["LOCALCLOUD_EKS_DELAY"] = "1"
    os.environ["LOCALCLOUD_EKS_NODES"] = "0"
    os.environ["SECRET_OF_THE_HOST"] = "must not reach a function"
    instance.start(layout)
    try:
        yield Cloud(layout, instance.read_env(layout))
    finally:
        if "LOCALCLOUD_KEEP_LOG" in os.environ:
            pathlib.Path(os.environ["LOCALCLOUD_KEEP_LOG"]).write_bytes(layout.server_log.read_bytes())
        instance.stop(layout)


@pytest.fixture(scope="session")
def control_plane_binary() -> pathlib.Path:
    """Skips tests that need a Kubernetes control plane when it is not built."""
    binary = pathlib.Path(os.environ.get("LOCALCLOUD_KUBERNETES") or kubernetes_binary())
    if not binary.exists():
        pytest.skip(f"{binary} is not built")
    return binary


NETWORK: Template = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.20.0.0/16"}},
    "SubnetA": {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.20.0.0/20", "AvailabilityZone": "us-east-1a"},
    },
    "SubnetB": {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.20.16.0/20", "AvailabilityZone": "us-east-1b"},
    },
    "Group": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "control plane", "VpcId": {"Ref": "Vpc"}},
    },
}
"""A VPC with two subnets in two zones and a security group."""


@pytest.fixture(scope="session")
def network(cloud: Cloud) -> dict[str, str]:
    """NETWORK, deployed once."""
    outputs = {"Vpc": {"Ref": "Vpc"}, "SubnetA": {"Ref": "SubnetA"}, "SubnetB": {"Ref": "SubnetB"}, "Group": {"Ref": "Group"}}
    return cloud.deploy("shared-network", NETWORK, outputs)


@pytest.fixture(scope="session")
def env(cloud: Cloud, control_plane_binary: pathlib.Path) -> dict[str, str]:
    """A network, and the cluster "capacity" in it, which has no nodes."""
    import nodeless  # which imports this module

    return nodeless.deploy(cloud)


@pytest.fixture(scope="session")
def kube(cloud: Cloud, env: dict[str, str]) -> KubeClient:
    """The administrator of that cluster."""
    return KubeClient(cloud.layout.clusters / "capacity" / "admin.kubeconfig")
