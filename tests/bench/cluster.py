"""A cluster of the local cloud that both contestants work on."""

from __future__ import annotations

import contextlib
import json
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from demo.cloud import Cloud
from localcloud.extension.eks.kube import KubeClient
from localcloud.layout import Layout

NAME = "bench"
_ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


class Cluster:
    """A cluster, the role that both contestants assume, and the administrator's own view of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.role = self._create()
        self.kube = KubeClient(Layout(cloud.directory).clusters / NAME / "admin.kubeconfig")

    def _create(self) -> str:
        ec2, iam, eks = (self.cloud.client(name) for name in ("ec2", "iam", "eks"))
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in (("10.0.0.0/26", "us-east-1a"), ("10.0.0.64/26", "us-east-1b"))
        ]
        control = self._role(f"{NAME}-control-plane", {"Service": "eks.amazonaws.com"})
        admin = self._role(f"{NAME}-admin", {"AWS": f"arn:aws:iam::{self.cloud.platform_account}:root"})
        iam.attach_role_policy(RoleName=f"{NAME}-control-plane", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
        eks.create_cluster(
            name=NAME,
            version="1.36",
            roleArn=control,
            resourcesVpcConfig={"subnetIds": subnets},
            accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"},
        )
        while eks.describe_cluster(name=NAME)["cluster"]["status"] == "CREATING":
            time.sleep(0.5)
        eks.create_access_entry(clusterName=NAME, principalArn=admin, username=admin)
        eks.associate_access_policy(clusterName=NAME, principalArn=admin, policyArn=_ADMIN, accessScope={"type": "cluster"})
        return admin

    def _role(self, name: str, principal: dict[str, str]) -> str:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return self.cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]

    def upload(self, key: str, content: bytes) -> str:
        """Puts a file into S3; returns its s3:// address."""
        store = self.cloud.client("s3")
        with contextlib.suppress(store.exceptions.BucketAlreadyOwnedByYou):
            store.create_bucket(Bucket=NAME)
        store.put_object(Bucket=NAME, Key=key, Body=content)
        return f"s3://{NAME}/{key}"

    def data(self, name: str) -> dict[str, str] | None:
        """What a ConfigMap of the default namespace holds, None if there is none."""
        found = self.kube.get(f"/api/v1/namespaces/default/configmaps/{name}")
        return None if found is None else found.get("data", {})

    def releases(self) -> dict[str, str]:
        """Status by name of the Helm releases in the default namespace."""
        secrets = self.kube.get("/api/v1/namespaces/default/secrets?labelSelector=owner%3Dhelm")["items"]
        return {s["metadata"]["labels"]["name"]: s["metadata"]["labels"]["status"] for s in secrets}

    def clear(self) -> None:
        """Removes the ConfigMaps and releases of the last sample."""
        for kind, selector in (("configmaps", "metadata.name%21%3Dkube-root-ca.crt"), ("secrets", "")):
            self.kube.request("DELETE", f"/api/v1/namespaces/default/{kind}?fieldSelector={selector}")

    def event(self, request: str, resource: str, **properties: Any) -> dict[str, Any]:
        """A request in the CDK's wire protocol."""
        return {
            "RequestType": request,
            "ResourceType": f"Custom::AWSCDK-EKS-{resource}",
            "ResponseURL": "",
            "ResourceProperties": {"ClusterName": NAME, "RoleArn": self.role} | properties,
        }


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """A local cloud with a cluster, ended with the block."""
    with tempfile.TemporaryDirectory() as directory:
        cloud = Cloud.start(pathlib.Path(directory))
        try:
            yield Cluster(cloud)
        finally:
            cloud.stop()
