"""What a request says about its nodes and about what runs on Fargate: at the start, and when it is changed."""

from __future__ import annotations

from typing import Any

import pytest

from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.provider import Environment, Provider, Request
from e2e.world import World

TAINT = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}
TOLERATION = TAINT | {"operator": "Equal"}


def test_node_group_is_as_requested(world: World, options: Environment) -> None:
    group = _group(world)
    assert group["instanceTypes"] == options.request["instanceTypes"]
    assert (group["amiType"], group["capacityType"]) == ("BOTTLEROCKET_ARM_64", "SPOT")
    assert group["labels"] == {"workload": "batch"}
    assert group["taints"] == [{"key": "dedicated", "value": "batch", "effect": "NO_SCHEDULE"}]
    assert group["updateConfig"] == {"maxUnavailablePercentage": 50}
    assert group["scalingConfig"] == {"minSize": 1, "desiredSize": 2, "maxSize": 4}


def test_launch_template_leaves_the_types_to_the_group_and_tags_what_ec2_starts(world: World, options: Environment) -> None:
    data = _launch_template(world)
    assert "InstanceType" not in data
    # Bottlerocket keeps images and containers on its second disk.
    disks = {disk["DeviceName"]: disk["Ebs"] for disk in data["BlockDeviceMappings"]}
    assert sorted(disks) == ["/dev/xvda", "/dev/xvdb"]
    assert disks["/dev/xvdb"]["VolumeSize"] == options.request["nodeGroupDiskSize"]
    assert all((disk["VolumeType"], disk["Encrypted"]) == ("gp3", True) for disk in disks.values())
    wanted = options.request["tags"] | {"Name": "opa-batch-node", "eks-environment": "opa-batch"}
    assert _tags(data) == dict.fromkeys(["instance", "volume", "network-interface"], wanted)


def test_nodes_have_labels_and_taints(cloud: Cloud, options: Environment) -> None:
    nodes = Cluster(cloud, options.result).list("nodes")
    assert len(nodes) == 2
    for node in nodes:
        labels = node["metadata"]["labels"]
        assert labels["workload"] == "batch"
        assert labels["kubernetes.io/arch"] == "arm64"
        assert labels["eks.amazonaws.com/capacityType"] == "SPOT"
        assert TAINT in node["spec"]["taints"]


def test_what_the_provider_installs_tolerates_the_taints(cloud: Cloud, options: Environment) -> None:
    cluster = Cluster(cloud, options.result)
    deployments = {d["metadata"]["name"]: d for d in cluster.list("deployments", "kube-system")}
    for name in ("coredns", "aws-load-balancer-controller"):
        assert TOLERATION in deployments[name]["spec"]["template"]["spec"]["tolerations"], name
        assert deployments[name]["status"]["availableReplicas"] == 2, name
    # What EKS has CoreDNS tolerate is still there.
    tolerations = deployments["coredns"]["spec"]["template"]["spec"]["tolerations"]
    assert {"key": "CriticalAddonsOnly", "operator": "Exists"} in tolerations
    (daemons,) = cluster.list("daemonsets", "amazon-cloudwatch")
    assert daemons["status"]["numberReady"] == 2


def test_what_may_surprise_is_a_finding(options: Environment) -> None:
    findings = {f["code"]: f for f in options.result["findings"]}
    assert sorted(findings) == ["TaintedNodes"]
    assert findings["TaintedNodes"]["severity"] == "warning"
    assert findings["TaintedNodes"]["field"] == "/nodeTaints"
    assert "dedicated" in findings["TaintedNodes"]["found"]


def test_price_of_spot_nodes_is_not_guessed(options: Environment) -> None:
    cost = options.result["cost"]
    assert not [item for item in cost["items"] if "node" in item["what"]]
    assert [text for text in cost["notIncluded"] if "2 spot nodes" in text]


@pytest.fixture(scope="module")
def changed(provider: Provider, world: World, options: Environment) -> tuple[dict[str, Any], dict[str, Any], Request]:
    """The node group before and after a change of everything that can be changed in place."""
    before = _group(world)
    request = options.request | {
        "nodeLabels": {"workload": "night"},
        "nodeTaints": [],
        "nodeUpdate": {"maxUnavailable": 2},
        "nodeGroupDiskSize": 70,
        "tags": {"cost-center": "4712"},
    }
    provider.run(request).succeeded()
    return before, _group(world), request


def test_change_in_place_keeps_the_group(changed: tuple[dict[str, Any], dict[str, Any], Request]) -> None:
    before, after, _ = changed
    assert after["nodegroupName"] == before["nodegroupName"]
    assert (after["labels"], after["taints"], after["updateConfig"]) == ({"workload": "night"}, [], {"maxUnavailable": 2})


@pytest.mark.usefixtures("changed")
def test_changes_that_eks_does_not_combine_travel_apart(world: World) -> None:
    eks, cluster, name = world.target("eks"), "opa-batch-cluster", _group(world)["nodegroupName"]
    ids = eks.list_updates(name=cluster, nodegroupName=name)["updateIds"]
    updates = [eks.describe_update(name=cluster, nodegroupName=name, updateId=i)["update"] for i in ids]
    assert sorted(u["type"] for u in updates) == ["ConfigUpdate", "VersionUpdate"]
    assert {u["status"] for u in updates} == {"Successful"}
    data = _launch_template(world)
    assert _tags(data)["instance"] == {"Name": "opa-batch-node", "eks-environment": "opa-batch", "cost-center": "4712"}
    assert {d["DeviceName"]: d["Ebs"].get("VolumeSize") for d in data["BlockDeviceMappings"]}["/dev/xvdb"] == 70


def test_other_instance_types_make_another_group_beside_the_old_one(
    cloud: Cloud, provider: Provider, world: World, changed: tuple[dict[str, Any], dict[str, Any], Request], options: Environment
) -> None:
    _, before, request = changed
    result = provider.run(request | {"instanceTypes": ["m6g.large"], "capacityType": "ON_DEMAND"}).succeeded().result
    after = _group(world)
    assert after["nodegroupName"] != before["nodegroupName"]
    assert (after["instanceTypes"], after["capacityType"]) == (["m6g.large"], "ON_DEMAND")
    # One type is the launch template's, so that the next one needs no new group.
    assert _launch_template(world)["InstanceType"] == "m6g.large"
    nodes = Cluster(cloud, options.result).list("nodes")
    assert {n["metadata"]["labels"]["eks.amazonaws.com/nodegroup"] for n in nodes} == {after["nodegroupName"]}
    assert result["findings"] == []
    assert [s["change"] for s in result["stages"] if s["stage"] == "Capacity"] == ["updated"]


def test_other_selectors_make_another_profile_beside_the_old_one(cloud: Cloud, provider: Provider, world: World, examples: dict[str, Environment]) -> None:
    environment = examples["other-region"]
    eks, cluster = world.target("eks", environment.region), environment.result["cluster"]["name"]
    (before,) = eks.list_fargate_profiles(clusterName=cluster)["fargateProfileNames"]
    selectors = [{"namespace": "kube-system"}, {"namespace": "team-*", "labels": {"tier": "web"}}]
    result = provider.run(environment.request | {"fargateSelectors": selectors}).succeeded().result
    (after,) = eks.list_fargate_profiles(clusterName=cluster)["fargateProfileNames"]
    assert after != before
    found = eks.describe_fargate_profile(clusterName=cluster, fargateProfileName=after)["fargateProfile"]["selectors"]
    assert [(s["namespace"], s.get("labels", {})) for s in found] == [("kube-system", {}), ("team-*", {"tier": "web"})]
    # What its VPC lacks is said each time.
    before_that = {f["code"] for f in environment.result["findings"]}
    assert {f["code"] for f in result["findings"]} - before_that == {"UnselectedNamespaces"}
    # CoreDNS and the controller went with the old profile's pods and came back on the new one.
    pods = [p for p in Cluster(cloud, environment.result).list("pods", "kube-system") if "deletionTimestamp" not in p["metadata"]]
    assert {p["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] for p in pods} == {after}


def _group(world: World) -> dict[str, Any]:
    """The one node group of the environment."""
    eks, cluster = world.target("eks"), "opa-batch-cluster"
    (name,) = eks.list_nodegroups(clusterName=cluster)["nodegroups"]
    return eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]


def _launch_template(world: World) -> dict[str, Any]:
    """The data of the launch template's version that the group uses."""
    template = _group(world)["launchTemplate"]
    (version,) = world.target("ec2").describe_launch_template_versions(LaunchTemplateId=template["id"], Versions=[template["version"]])[
        "LaunchTemplateVersions"
    ]
    return version["LaunchTemplateData"]


def _tags(data: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {s["ResourceType"]: {t["Key"]: t["Value"] for t in s["Tags"]} for s in data["TagSpecifications"]}
