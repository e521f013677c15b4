"""What is true of an environment whatever was chosen: nodes, VPC, API and administrator are those of its request."""

from __future__ import annotations

from typing import Any

from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.provider import Environment
from e2e.world import World


def check(cloud: Cloud, world: World, environment: Environment) -> None:
    """Looks at the environment from end to end."""
    request, result = environment.request, environment.result
    assert [f for f in result["findings"] if f["severity"] == "error"] == []
    described = world.target("eks", environment.region).describe_cluster(name=result["cluster"]["name"])["cluster"]
    _api(described, request)
    _administrator(world, environment)
    _network(world, environment, described)
    _pods(Cluster(cloud, result), request)


def _api(cluster: dict[str, Any], request: dict[str, Any]) -> None:
    network = cluster["resourcesVpcConfig"]
    public = request["apiAccess"] == "public_and_private"
    assert (network["endpointPublicAccess"], network["endpointPrivateAccess"]) == (public, True)


def _administrator(world: World, environment: Environment) -> None:
    made = f"arn:aws:iam::{environment.account}:role/{environment.prefix}-{environment.name}-cluster-admin-role"
    admin = environment.request.get("clusterAdminRole", made)
    assert environment.result["outputs"]["ClusterAdminRoleDirectARN"] == admin
    assert (made.rpartition("/")[2] in world.roles(environment.account)) == (admin == made)
    entries = world.target("eks", environment.region).list_access_entries(clusterName=environment.result["cluster"]["name"])["accessEntries"]
    assert admin in entries


def _network(world: World, environment: Environment, cluster: dict[str, Any]) -> None:
    request, ec2 = environment.request, world.target("ec2", environment.region)
    names = world.target("ssm", environment.region)
    path = f"/{environment.prefix}/{environment.name}/vpc"
    listed = {kind: names.get_parameter(Name=f"{path}{kind}")["Parameter"]["Value"] for kind in ("", "/public-subnets", "/private-subnets")}
    vpc = cluster["resourcesVpcConfig"]["vpcId"]
    assert listed[""] == vpc == environment.result["network"]["vpcId"]
    if request["vpcConfiguration"] == "use_existing":
        assert vpc == request["vpcId"]
        assert not [r for r in _types(world, environment, "Network") if r not in ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress")]
        assert not {"AWS::EC2::Route", "AWS::EC2::NatGateway", "AWS::EC2::EIP"} & set(_types(world, environment, "Egress"))
    else:
        assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"] == request["cidr"]
    private = listed["/private-subnets"].split(",")
    zones = {s["AvailabilityZone"] for s in ec2.describe_subnets(SubnetIds=private)["Subnets"]}
    assert len(zones) >= 2
    public = listed["/public-subnets"].strip()
    assert set(cluster["resourcesVpcConfig"]["subnetIds"]) == {*private, *(public.split(",") if public else [])}
    function = world.target("lambda", environment.region).get_function(FunctionName=environment.result["kubectl"]["functionArn"])
    assert set(function["Configuration"]["VpcConfig"]["SubnetIds"]) == set(private)
    (log,) = [f for f in ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"] if environment.name in f["LogGroupName"]]
    assert log["LogGroupName"] == f"/aws/vpc/{environment.prefix}-{environment.name}-flow-logs"


def _types(world: World, environment: Environment, part: str) -> list[str]:
    stack = f"EKS-ENV-{environment.prefix}-{environment.name}-{part}"
    found = world.target("cloudformation", environment.region).describe_stack_resources(StackName=stack)["StackResources"]
    return [r["ResourceType"] for r in found]


def _pods(cluster: Cluster, request: dict[str, Any]) -> None:
    """What runs is ready, on the capacity that was asked for."""
    nodes = cluster.list("nodes")
    assert nodes
    fargate = [n["metadata"]["labels"].get("eks.amazonaws.com/compute-type") == "fargate" for n in nodes]
    assert all(fargate) if request["nodeType"] == "FARGATE" else not any(fargate)
    deployments = {d["metadata"]["name"]: d for d in cluster.list("deployments", "kube-system")}
    for name in ("coredns", "aws-load-balancer-controller"):
        assert deployments[name]["status"].get("readyReplicas") == deployments[name]["spec"]["replicas"], name
