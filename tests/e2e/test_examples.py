"""Environments side by side, in another region, and with a private API."""

from __future__ import annotations

from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.provider import Environment
from e2e.world import World


def test_environments_side_by_side_have_a_cluster_each(cloud: Cloud, examples: dict[str, Environment]) -> None:
    marks = {}
    for name, environment in examples.items():
        cluster = Cluster(cloud, environment.result)
        (system,) = [n for n in cluster.list("namespaces") if n["metadata"]["name"] == "kube-system"]
        marks[name] = (environment.result["cluster"]["endpoint"], system["metadata"]["uid"], environment.result["network"]["vpcId"])
    assert len(marks) > 2
    for column in zip(*marks.values(), strict=True):
        assert len(set(column)) == len(marks)


def test_object_of_one_cluster_is_not_in_the_other(cloud: Cloud, fargate: Environment, managed: Environment) -> None:
    first, second = Cluster(cloud, fargate.result), Cluster(cloud, managed.result)
    manifest = '[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"only-here","namespace":"default"}}]'
    first.call("Create", "KubernetesResource", Manifest=manifest)
    try:
        names = [{c["metadata"]["name"] for c in cluster.list("configmaps")} for cluster in (first, second)]
    finally:
        first.call("Delete", "KubernetesResource", Manifest=manifest)
    assert ["only-here" in found for found in names] == [True, False]


def test_executions_that_began_together_made_one_bootstrap_stack(world: World, examples: dict[str, Environment]) -> None:
    assert {e.region for e in examples.values()} == {"us-east-1", "eu-west-1"}
    for region in ("us-east-1", "eu-west-1"):
        assert world.stacks("222222222222", region)["EKS-ENV-Bootstrap"]["StackStatus"] == "CREATE_COMPLETE"


def test_other_region_has_its_stacks_there(world: World, examples: dict[str, Environment]) -> None:
    parts = ("Network", "Identity", "Cluster", "Egress", "Kubectl", "Capacity", "AddonRoles", "Stack")
    there = {f"EKS-ENV-opa-europe-{part}" for part in parts}
    assert there <= set(world.stacks("222222222222", "eu-west-1"))
    assert not there & set(world.stacks("222222222222", "us-east-1"))
    assert examples["other-region"].result["cluster"]["arn"] == "arn:aws:eks:eu-west-1:222222222222:cluster/opa-europe-cluster"
    assert world.target("eks", "eu-west-1").list_clusters()["clusters"] == ["opa-europe-cluster"]


def test_other_region_has_a_copy_of_the_code_in_its_own_bucket(world: World, examples: dict[str, Environment]) -> None:
    assert examples["other-region"].region == "eu-west-1"
    s3, bucket = world.target("s3", "eu-west-1"), "eks-env-artifacts-222222222222-eu-west-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-west-1"
    sizes = [entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    function = world.target("lambda", "eu-west-1").get_function(FunctionName="EKS-ENV-opa-europe-kubectl")["Configuration"]
    assert function["CodeSize"] in sizes
    (layer,) = function["Layers"]
    assert layer["Arn"].startswith("arn:aws:lambda:eu-west-1:222222222222:layer:")
    assert layer["CodeSize"] in sizes


def test_copies_of_the_function_run_the_same_code(world: World, cloud: Cloud, examples: dict[str, Environment]) -> None:
    copies = {
        world.target("lambda", e.region).get_function(FunctionName=e.result["kubectl"]["functionArn"])["Configuration"]["CodeSha256"] for e in examples.values()
    }
    pages = cloud.client("lambda").get_paginator("list_functions").paginate()
    master = {f["CodeSha256"] for page in pages for f in page["Functions"] if "-KubectlFunction-" in f["FunctionName"]}
    assert copies == master


def test_private_api_has_no_public_endpoint(world: World, examples: dict[str, Environment]) -> None:
    assert examples["private-api"].request["apiAccess"] == "private"
    network = world.target("eks").describe_cluster(name="opa-production-cluster")["cluster"]["resourcesVpcConfig"]
    assert (network["endpointPublicAccess"], network["endpointPrivateAccess"]) == (False, True)


def test_public_api_admits_the_blocks_of_the_request_only(world: World, managed: Environment) -> None:
    assert managed.request["apiAccessCidrs"] == "203.0.113.0/24,198.51.100.7/32"
    network = world.target("eks").describe_cluster(name="opa-staging-cluster")["cluster"]["resourcesVpcConfig"]
    assert set(network["publicAccessCidrs"]) == {"203.0.113.0/24", "198.51.100.7/32"}
