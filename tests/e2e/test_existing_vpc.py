"""A VPC that was there before: what an environment adds to it, what it finds out about it, and what it leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo import given
from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.provider import Environment, Provider, example
from e2e.world import World
from localcloud.snapshot import Snapshot, differences

EXISTING = ("isolated", "other-region", "shared-vpc")


def test_what_was_there_is_as_it_was(world: World, before: Snapshot, examples: dict[str, Environment]) -> None:
    was = _inside(before, [examples[name].request["vpcId"] for name in EXISTING])
    assert {key.partition("/")[0] for key in was} >= {"ec2._vpcs", "ec2._subnets", "ec2._route_tables", "ec2._nat_gateways", "ec2._vpc_endpoints"}
    now = world.network()
    changes = differences(was, {key: now[key] for key in was if key in now})
    # Tags were asked for, in one VPC.
    subnets = {s["SubnetId"] for s in _subnets(world, examples["shared-vpc"])}
    assert [line for line in changes if not line.startswith("changed ec2._tags/") or not any(s in line for s in subnets)] == []


def _inside(entries: Snapshot, vpcs: list[str]) -> Snapshot:
    """The entries of VPCs and of what is in them, tags included."""
    of_vpcs = {key for key, value in entries.items() if any(vpc in key or vpc in json.dumps(value) for vpc in vpcs)}
    identifiers = {key.rpartition("/")[2] for key in of_vpcs}
    return {key: value for key, value in entries.items() if key in of_vpcs or key.rpartition("/")[2] in identifiers}


def test_what_was_added_is_marked(world: World, examples: dict[str, Environment]) -> None:
    ec2, vpc = world.target("ec2"), examples["isolated"].request["vpcId"]
    mine = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "tag:eks-environment", "Values": ["opa-isolated"]}]
    endpoints = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
    # The others are the VPC's own.
    assert [e["ServiceName"] for e in endpoints] == ["com.amazonaws.us-east-1.eks"]
    groups = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    assert sorted(g["Description"] for g in groups) == [
        "EKS control plane: who may reach the Kubernetes API from inside the VPC",
        "Interface endpoints: HTTPS from the VPC",
        "Kubectl function",
    ]


def test_subnets_are_chosen_by_their_routes(world: World, examples: dict[str, Environment]) -> None:
    for name, public in (("isolated", 0), ("shared-vpc", 2), ("other-region", 2)):
        environment = examples[name]
        cluster = world.target("eks", environment.region).describe_cluster(name=environment.result["cluster"]["name"])["cluster"]
        used = cluster["resourcesVpcConfig"]["subnetIds"]
        subnets = {s["SubnetId"]: s for s in _subnets(world, environment)}
        # Two private ones in the first zone, of which one is used.
        assert len(subnets) == 3 + public
        assert sorted(subnets[s]["AvailabilityZone"][-1] for s in used) == sorted("ab" * (1 + public // 2))


def test_subnets_get_the_tags_that_they_lack(world: World, examples: dict[str, Environment]) -> None:
    keys = ("kubernetes.io/role/elb", "kubernetes.io/role/internal-elb")
    tags = {}
    for subnet in _subnets(world, examples["shared-vpc"]):
        third = int(subnet["CidrBlock"].split(".")[2])
        tags[third] = {t["Key"]: t["Value"] for t in subnet.get("Tags", []) if t["Key"] in keys}
    # Public a (tagged before), public b, private a and its twin, private b.
    assert tags.pop(0) == {"kubernetes.io/role/elb": ""}
    assert tags.pop(1) == {"kubernetes.io/role/elb": "1"}
    assert tags.pop(4) == {"kubernetes.io/role/internal-elb": "1"}
    assert sorted(map(len, tags.values())) == [0, 1]
    for subnet in _subnets(world, examples["other-region"]):
        assert not [t for t in subnet.get("Tags", []) if t["Value"] == "1"]
    findings = [f for f in examples["other-region"].result["findings"] if f["field"] == "/tagSubnets"]
    assert [f["severity"] for f in findings] == ["warning"]


def test_without_internet_chart_and_images_come_from_mirrors(cloud: Cloud, examples: dict[str, Environment]) -> None:
    environment = examples["isolated"]
    cluster = Cluster(cloud, environment.result)
    (controller,) = [d for d in cluster.list("deployments", "kube-system") if d["metadata"]["name"] == "aws-load-balancer-controller"]
    (container,) = controller["spec"]["template"]["spec"]["containers"]
    assert container["image"] == environment.request["images"]["loadBalancerController"]
    # Services without an endpoint (5.15).
    for service in ("shield", "waf", "wafv2"):
        assert f"--enable-{service}=false" in container["args"]
    (agent,) = cluster.list("daemonsets", "amazon-cloudwatch")
    assert agent["spec"]["template"]["spec"]["containers"][0]["image"] == environment.request["images"]["fluentBit"]


def test_applying_again_changes_nothing(provider: Provider, examples: dict[str, Environment]) -> None:
    for arn in [provider.start(examples[name].request) for name in EXISTING]:
        assert provider.wait(arn).succeeded().result["changed"] is False


def test_api_is_opened_and_closed_in_place(world: World, provider: Provider, examples: dict[str, Environment]) -> None:
    environment = examples["isolated"]
    eks = world.target("eks")

    def cluster() -> dict[str, Any]:
        return eks.describe_cluster(name="opa-isolated-cluster")["cluster"]

    made = cluster()["createdAt"]
    for access, public in (("public_and_private", True), ("private", False)):
        result = provider.run(environment.request | {"apiAccess": access}).succeeded().result
        assert [s["stage"] for s in result["stages"] if s["change"] != "unchanged"] == ["Cluster"]
        network = cluster()["resourcesVpcConfig"]
        assert (network["endpointPublicAccess"], network["endpointPrivateAccess"]) == (public, True)
    assert cluster()["createdAt"] == made


@pytest.fixture(scope="module")
def vpcs(cloud: Cloud, examples: dict[str, Environment]) -> dict[str, str]:
    """VPCs with a way to the internet, without one, in another region, and of another account."""
    return {
        "shared": examples["shared-vpc"].request["vpcId"],
        "isolated": given.vpc(cloud, "network-elsewhere", "us-east-1", isolated=True),
        "other region": examples["other-region"].request["vpcId"],
        "other account": cloud.client("ec2", cloud.platform_account).create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"],
    }


REFUSED: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "other region": ("other region", {}, "InvalidRequest", "/vpcId", "has no VPC"),
    "other account": ("other account", {}, "InvalidRequest", "/vpcId", "has no VPC"),
    "foreign subnet": ("shared", {"subnetIds": ["subnet-01234567", "subnet-89abcdef"]}, "InvalidRequest", "/subnetIds", "is no subnet of"),
    "isolated": ("isolated", {"chart": {"repository": "oci://mirror.example.com/charts"}}, "PreflightFailed", "/vpcId", "to the AWS service eks"),
    "internet": ("isolated", {"interfaceEndpoints": ["eks"]}, "PreflightFailed", "/chart/repository", "comes from the internet"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_vpc_that_does_not_serve_is_refused(world: World, provider: Provider, vpcs: dict[str, str], case: str) -> None:
    vpc, changes, code, field, says = REFUSED[case]
    request = example("fargate", name="refused", cidr=None, vpcConfiguration="use_existing", vpcId=vpcs[vpc], **changes)
    cause = provider.run(request).failed(code)
    assert (cause["stage"], cause["field"]) == ("Preflight", field)
    assert says in cause["message"]
    assert not [name for name in world.stacks("222222222222") if "refused" in name]


def test_environment_keeps_its_vpc(provider: Provider, vpcs: dict[str, str], examples: dict[str, Environment]) -> None:
    request = examples["shared-vpc"].request
    assert provider.run(request | {"vpcId": vpcs["isolated"]}).failed("InvalidRequest")["field"] == "/vpcId"
    moved = {k: v for k, v in request.items() if k not in ("vpcId", "tagSubnets")} | {"vpcConfiguration": "create_new"}
    assert provider.run(moved).failed("InvalidRequest")["field"] == "/vpcConfiguration"


def _subnets(world: World, environment: Environment) -> list[dict[str, Any]]:
    vpc = [{"Name": "vpc-id", "Values": [environment.request["vpcId"]]}]
    return world.target("ec2", environment.region).describe_subnets(Filters=vpc)["Subnets"]
