"""A snapshot is the whole state: it shows every change, and nothing where nothing changed."""

from __future__ import annotations

import json

from conftest import Cloud, role, trust

from localcloud import snapshot
from localcloud.extension.eks.kube import KubeClient

ROLE = "iam._roles/222222222222/-/seen"


def test_reading_changes_nothing(cloud: Cloud, kube: KubeClient) -> None:
    networks = cloud.client("ec2", region="eu-west-1")
    networks.describe_vpcs()  # MiniStack makes a region's default VPC when it is first asked for one
    before = snapshot.take(cloud.layout)
    networks.describe_vpcs()
    cloud.client("iam").list_roles()
    kube.get("/api/v1/nodes")
    assert snapshot.differences(before, snapshot.take(cloud.layout)) == []


def test_every_kind_of_change_is_seen(cloud: Cloud) -> None:
    iam = cloud.client("iam", "target")
    before = snapshot.take(cloud.layout)
    iam.create_role(RoleName="seen", AssumeRolePolicyDocument=json.dumps(trust("ec2.amazonaws.com")))
    made = snapshot.take(cloud.layout)
    (added,) = snapshot.differences(before, made)
    assert added.startswith(f"added {ROLE}: ")
    iam.update_role(RoleName="seen", MaxSessionDuration=7200)
    updated = snapshot.take(cloud.layout)
    assert snapshot.differences(made, updated) == [f"changed {ROLE}.MaxSessionDuration: 3600 became 7200"]
    iam.delete_role(RoleName="seen")
    assert snapshot.differences(before, snapshot.take(cloud.layout)) == []


def test_a_change_set_is_seen(cloud: Cloud) -> None:
    cloud.deploy("snapshot", {"Role": role("ec2.amazonaws.com")})
    stacks = cloud.client("cloudformation")
    before = snapshot.take(cloud.layout)
    template = json.dumps({"Resources": {"Role": role("lambda.amazonaws.com")}})
    stacks.create_change_set(StackName="snapshot", ChangeSetName="look", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    assert any("cloudformation._change_sets" in line for line in snapshot.differences(before, snapshot.take(cloud.layout)))


def test_objects_of_clusters_are_seen(cloud: Cloud, kube: KubeClient) -> None:
    before = snapshot.take(cloud.layout)
    path = "/api/v1/namespaces/default/configmaps"
    kube.request("POST", path, {"metadata": {"name": "seen"}, "data": {"a": "1"}})
    made = snapshot.take(cloud.layout)
    place = "kubernetes/111111111111/us-east-1/capacity/api/v1/configmaps/default/seen"
    (added,) = snapshot.differences(before, made)
    assert added.startswith(f"added {place}: ")
    kube.request("PUT", f"{path}/seen", {"metadata": {"name": "seen"}, "data": {"a": "2"}})
    assert snapshot.differences(made, snapshot.take(cloud.layout)) == [f'changed {place}.data.a: "1" became "2"']
    kube.request("DELETE", f"{path}/seen")
    assert snapshot.differences(before, snapshot.take(cloud.layout)) == []
