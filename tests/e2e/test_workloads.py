"""What pods run on, how they get out of the VPC, and where their logs go."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.harmonix import Backend
from e2e.provider import Environment, fixture
from e2e.world import World

LOGGING = fixture("logging")
CONTROLLER = "aws-load-balancer-controller"

both = pytest.mark.parametrize("example", ["fargate", "managed-nodes"])


@pytest.fixture
def environment(examples: dict[str, Environment], example: str) -> Environment:
    """The environment of the example that the test names."""
    return examples[example]


# The result document.


@both
def test_result_names_the_nodes_and_they_are_ready(environment: Environment) -> None:
    nodes = environment.result["nodes"]
    # Two replicas each of CoreDNS and the controller on Fargate, the group's size otherwise.
    assert len(nodes) == {"FARGATE": 4, "MANAGED": environment.request.get("nodeGroupDesiredSize")}[environment.request["nodeType"]]
    assert all(node["ready"] for node in nodes)
    assert all(re.match(r"v1\.36\.\d+", node["version"]) for node in nodes)
    assert environment.result["findings"] == []


@both
def test_result_estimates_the_cost_of_what_was_made(environment: Environment) -> None:
    cost = environment.result["cost"]
    counts = {item["what"]: item["count"] for item in cost["items"]}
    assert counts["EKS control plane"] == 1
    assert counts["NAT gateway with its address"] == 1
    if environment.request["nodeType"] == "MANAGED":
        assert (counts["m5.large node"], counts["gp3 volume of 50 GiB"]) == (2, 2)
    else:
        assert counts["Fargate system pod"] == 4
    assert math.isclose(cost["monthly"], sum(item["monthly"] for item in cost["items"]), abs_tol=0.01)
    assert cost["currency"] == "USD"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cost["priceDate"])
    assert cost["notIncluded"]


@both
def test_a_probe_pod_ran_and_left_nothing(cloud: Cloud, world: World, environment: Environment) -> None:
    cluster, pods = environment.result["cluster"]["name"], "/api/v1/namespaces/kube-system/pods"
    made = [w for w in world.writes(cluster) if w.startswith(f"create {pods}?")]
    deleted = [w for w in world.writes(cluster) if w.startswith(f"delete {pods}/eks-environment-probe")]
    # One for each execution that changed something, by whichever tests came before.
    assert len(made) == len(deleted) >= 1
    left = [pod["metadata"] for pod in Cluster(cloud, environment.result).list("pods", "kube-system")]
    assert left
    assert [pod["name"] for pod in left if "ownerReferences" not in pod] == []


# Fargate.


def test_fargate_pods_are_ready_on_a_node_each(cloud: Cloud, fargate: Environment) -> None:
    cluster = Cluster(cloud, fargate.result)
    pods = _pods(cluster, "kube-system")
    assert sorted(_owner(pod) for pod in pods) == [CONTROLLER] * 2 + ["coredns"] * 2
    assert all(_ready(pod) for pod in pods)
    nodes = {node["metadata"]["name"]: node for node in cluster.list("nodes")}
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(nodes)
    for name, node in nodes.items():
        assert name.startswith("fargate-")
        assert node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "fargate"
        assert _ready(node)


def test_fargate_profile_takes_every_namespace_in_the_private_subnets(world: World, fargate: Environment) -> None:
    eks, cluster = world.target("eks"), "opa-development-cluster"
    (name,) = eks.list_fargate_profiles(clusterName=cluster)["fargateProfileNames"]
    profile = eks.describe_fargate_profile(clusterName=cluster, fargateProfileName=name)["fargateProfile"]
    assert profile["status"] == "ACTIVE"
    # As Harmonix has them (2.6).
    assert [s["namespace"] for s in profile["selectors"]] == ["kube-system", "default", "*"]
    assert profile["podExecutionRoleArn"].endswith(":role/opa-development-pod-execution-role")
    assert set(profile["subnets"]) == _subnets(world, fargate, "private")


def test_new_pod_gets_a_fargate_node_and_takes_it_along(cloud: Cloud, fargate: Environment) -> None:
    cluster = Cluster(cloud, fargate.result)
    before = len(cluster.list("nodes"))
    guest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "guest", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "guest"}},
            "template": {"metadata": {"labels": {"app": "guest"}}, "spec": {"containers": [{"name": "guest", "image": "example.com/guest"}]}},
        },
    }
    manifest = json.dumps([guest])
    cluster.call("Create", "KubernetesResource", Manifest=manifest)
    try:
        ready = cluster.call(
            "Create",
            "KubernetesObjectValue",
            ObjectType="deployment",
            ObjectName="guest",
            ObjectNamespace="default",
            JsonPath=".status.readyReplicas",
            TimeoutSeconds="20",
        )
        assert ready["Data"]["Value"] == "1"
        (placed,) = _pods(cluster, "default")
        assert placed["spec"]["nodeName"].startswith("fargate-")
        # The configuration was there before the pod was.
        assert placed["metadata"]["annotations"]["Logging"] == "LoggingEnabled"
        assert len(cluster.list("nodes")) == before + 1
    finally:
        cluster.call("Delete", "KubernetesResource", Manifest=manifest)


def test_every_fargate_pod_was_created_after_the_log_configuration(cloud: Cloud, fargate: Environment) -> None:
    pods = _pods(Cluster(cloud, fargate.result), "kube-system")
    assert {pod["metadata"]["annotations"]["Logging"] for pod in pods} == {"LoggingEnabled"}


def test_fargate_log_router_is_configured_as_harmonix_has_it(cloud: Cloud, fargate: Environment) -> None:
    cluster = Cluster(cloud, fargate.result)
    (namespace,) = [n for n in cluster.list("namespaces") if n["metadata"]["name"] == "aws-observability"]
    assert namespace["metadata"]["labels"].items() >= LOGGING["namespace"].items()
    data = _config(cluster, "aws-observability", "aws-logging")
    assert sorted(data) == LOGGING["keys"]
    assert data["flb_log_cw"] == LOGGING["flb_log_cw"]
    (output,) = _sections(data["output.conf"], "OUTPUT")
    assert output == fargate.fill(LOGGING["output"])
    filters = [(f["name"], f["match"]) for f in _sections(data["filters.conf"], "FILTER")]
    assert filters == [("parser", "*"), ("kubernetes", "kube.*")]
    (parser,) = _sections(data["parsers.conf"], "PARSER")
    line = "2026-11-22T10:00:00.000000000Z stdout F hello world"
    # Fluent Bit's expressions are Ruby's, which name a group without the P.
    found = re.fullmatch(parser["regex"].replace("(?<", "(?P<"), line)
    assert found
    assert found.groupdict() == {"time": "2026-11-22T10:00:00.000000000Z", "stream": "stdout", "logtag": "F", "log": "hello world"}


# Managed nodes.


def test_nodes_of_the_group_are_ready_and_of_the_request(cloud: Cloud, world: World, managed: Environment) -> None:
    group = _group(world)
    assert group["status"] == "ACTIVE"
    assert group["scalingConfig"] == {"minSize": 2, "desiredSize": 2, "maxSize": 4}
    assert (group["amiType"], group["capacityType"], group["version"]) == ("AL2023_x86_64_STANDARD", "ON_DEMAND", "1.36")
    assert set(group["subnets"]) == _subnets(world, managed, "private")
    nodes = Cluster(cloud, managed.result).list("nodes")
    assert len(nodes) == 2
    for node in nodes:
        assert _ready(node)
        labels = node["metadata"]["labels"]
        assert labels["eks.amazonaws.com/nodegroup"] == group["nodegroupName"]
        assert labels["node.kubernetes.io/instance-type"] == "m5.large"
        assert labels["kubernetes.io/arch"] == "amd64"
    # Spread over the zones.
    assert len({node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}) == 2


def test_launch_template_is_as_safe_as_it_can_be(world: World, managed: Environment) -> None:
    template = _group(world)["launchTemplate"]
    (version,) = world.target("ec2").describe_launch_template_versions(LaunchTemplateId=template["id"], Versions=[template["version"]])[
        "LaunchTemplateVersions"
    ]
    data = version["LaunchTemplateData"]
    assert data["InstanceType"] == "m5.large"
    metadata = data["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 2)
    # Amazon Linux has one disk, its root.
    (disk,) = data["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvda"
    volume = {key: disk["Ebs"][key] for key in ("VolumeType", "Encrypted", "VolumeSize")}
    assert volume == {"VolumeType": "gp3", "Encrypted": True, "VolumeSize": managed.request["nodeGroupDiskSize"]}
    # What instances and disks are tagged with is the template's business alone.
    for specification in data["TagSpecifications"]:
        assert {"Key": "eks-environment", "Value": "opa-staging"} in specification["Tags"]
    assert {s["ResourceType"] for s in data["TagSpecifications"]} == {"instance", "volume", "network-interface"}


def test_node_role_may_join(world: World, managed: Environment) -> None:
    role = _group(world)["nodeRole"]
    assert role == managed.result["outputs"]["NodeRoleArn"]
    entry = world.target("eks").describe_access_entry(clusterName="opa-staging-cluster", principalArn=role)["accessEntry"]
    assert (entry["type"], entry["username"]) == ("EC2_LINUX", "system:node:{{EC2PrivateDNSName}}")
    attached = world.target("iam").list_attached_role_policies(RoleName=role.rpartition("/")[2])["AttachedPolicies"]
    assert "AmazonEKSWorkerNodePolicy" in {p["PolicyName"] for p in attached}


def test_fluent_bit_runs_on_every_node(cloud: Cloud, managed: Environment) -> None:
    cluster = Cluster(cloud, managed.result)
    pods = _pods(cluster, "amazon-cloudwatch")
    assert all(_ready(pod) for pod in pods)
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(n["metadata"]["name"] for n in cluster.list("nodes"))
    (daemons,) = cluster.list("daemonsets", "amazon-cloudwatch")
    assert daemons["metadata"]["name"] == "fluent-bit"
    # The newest Fluent Bit would be another one tomorrow.
    (container,) = daemons["spec"]["template"]["spec"]["containers"]
    assert re.fullmatch(r"public\.ecr\.aws/aws-observability/aws-for-fluent-bit:\d+\.\d+\.\d+", container["image"])


def test_nodes_log_where_the_logs_tab_looks(cloud: Cloud, managed: Environment) -> None:
    data = _config(Cluster(cloud, managed.result), "amazon-cloudwatch", "fluent-bit-config")
    outputs = {o["match"]: o for text in data.values() for o in _sections(text, "OUTPUT")}
    assert outputs["kube.*"] == managed.fill(LOGGING["output"])
    # No group is kept for ever.
    assert all(int(o["log_retention_days"]) > 0 for o in outputs.values())


def test_fluent_bits_account_may_assume_its_role_and_no_other_may(cloud: Cloud, world: World, managed: Environment) -> None:
    arn = _annotated(Cluster(cloud, managed.result), "amazon-cloudwatch", "fluent-bit")
    assert arn == managed.result["outputs"]["FluentBitRoleARN"]
    _is_for(world, managed, arn, "amazon-cloudwatch:fluent-bit")


@both
def test_logs_tab_reads_a_namespace_of_the_environment(cloud: Cloud, world: World, environment: Environment) -> None:
    group, stream = environment.fill("/aws/apps/<prefix>-<name>/default"), "pod.container"
    # As Fluent Bit does.
    logs = world.target("logs")
    logs.create_log_group(logGroupName=group)
    try:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": 1_795_356_000_000, "message": "hello"}])
        reader = Backend(cloud, environment).client("logs")
        (found,) = reader.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
        events = reader.get_log_events(logGroupName=group, logStreamName=found["logStreamName"], startFromHead=True)["events"]
        assert [event["message"] for event in events] == ["hello"]
    finally:
        logs.delete_log_group(logGroupName=group)


# What every environment has.


@both
@pytest.mark.parametrize("name", ["coredns", CONTROLLER])
def test_system_deployment_is_available(cloud: Cloud, environment: Environment, name: str) -> None:
    (found,) = [d for d in Cluster(cloud, environment.result).list("deployments", "kube-system") if d["metadata"]["name"] == name]
    assert found["status"]["availableReplicas"] == found["spec"]["replicas"] == 2
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


@both
def test_controller_knows_its_cluster_and_assumes_its_role(cloud: Cloud, world: World, environment: Environment) -> None:
    cluster = Cluster(cloud, environment.result)
    arn = _annotated(cluster, "kube-system", CONTROLLER)
    _is_for(world, environment, arn, f"kube-system:{CONTROLLER}")
    pods = [pod for pod in _pods(cluster, "kube-system") if _owner(pod) == CONTROLLER]
    assert len(pods) == 2
    for pod in pods:
        assert _ready(pod)
        (container,) = pod["spec"]["containers"]
        assert {
            f"--cluster-name={environment.result['cluster']['name']}",
            f"--aws-region={environment.region}",
            f"--aws-vpc-id={environment.result['network']['vpcId']}",
        } <= set(container["args"])
        # From the region's own registry, not from Oregon's (3.1).
        assert container["image"].startswith("602401143452.dkr.ecr.us-east-1.amazonaws.com/amazon/aws-load-balancer-controller:v")
        assert {"name": "AWS_ROLE_ARN", "value": arn} in container["env"]


@both
def test_one_nat_gateway_serves_all_private_subnets(world: World, environment: Environment) -> None:
    ec2, vpc = world.target("ec2"), environment.result["network"]["vpcId"]
    (gateway,) = ec2.describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NatGateways"]
    assert gateway["State"] == "available"
    assert gateway["SubnetId"] in _subnets(world, environment, "public")
    for subnet in _subnets(world, environment, "private"):
        assert _default_routes(world, vpc, subnet) == [gateway["NatGatewayId"]]


@both
def test_gateway_endpoints_serve_all_subnets(world: World, environment: Environment) -> None:
    found = _endpoints(world, environment)
    assert sorted(found) == ["dynamodb", "s3"]
    vpc = environment.result["network"]["vpcId"]
    everywhere = _subnets(world, environment, "private") | _subnets(world, environment, "public")
    tables = {_table(world, vpc, subnet)["RouteTableId"] for subnet in everywhere}
    for endpoint in found.values():
        assert endpoint["VpcEndpointType"] == "Gateway"
        assert set(endpoint["RouteTableIds"]) == tables


@both
def test_flow_log_is_kept_for_a_while(world: World, environment: Environment) -> None:
    vpc = environment.result["network"]["vpcId"]
    (log,) = world.target("ec2").describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    assert (log["FlowLogStatus"], log["TrafficType"]) == ("ACTIVE", "ALL")
    prefix = environment.fill("/aws/vpc/<prefix>-<name>")
    (group,) = world.target("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    assert group["retentionInDays"] == 90


def test_private_cluster_has_endpoints_for_what_it_calls(world: World, examples: dict[str, Environment]) -> None:
    private = examples["private-api"]
    found = _endpoints(world, private)
    wanted = "ec2 ecr.api ecr.dkr eks eks-auth elasticloadbalancing kms lambda logs ssm sts"
    assert sorted(found) == sorted([*wanted.split(), "dynamodb", "s3"])
    for service in wanted.split():
        assert found[service]["VpcEndpointType"] == "Interface"
        assert set(found[service]["SubnetIds"]) == _subnets(world, private, "private")
    # Eleven in two zones.
    (item,) = [i for i in private.result["cost"]["items"] if i["what"] == "interface endpoint in a zone"]
    assert item["count"] == 22


def test_controller_without_a_way_out_leaves_alone_what_has_no_endpoint(cloud: Cloud, examples: dict[str, Environment]) -> None:
    pods = _pods(Cluster(cloud, examples["isolated"].result), "kube-system")
    (container,) = next(pod["spec"]["containers"] for pod in pods if _owner(pod) == CONTROLLER)
    assert {"--enable-shield=false", "--enable-waf=false", "--enable-wafv2=false"} <= set(container["args"])


def _pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    """The pods that are to stay."""
    return [pod for pod in cluster.list("pods", namespace) if "deletionTimestamp" not in pod["metadata"]]


def _owner(pod: dict[str, Any]) -> str:
    """The name of the Deployment that a pod is of."""
    return pod["metadata"]["ownerReferences"][0]["name"].rpartition("-")[0]


def _ready(thing: dict[str, Any]) -> bool:
    return any((c["type"], c["status"]) == ("Ready", "True") for c in thing["status"].get("conditions", []))


def _config(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    return next(c["data"] for c in cluster.list("configmaps", namespace) if c["metadata"]["name"] == name)


def _sections(text: str, kind: str) -> list[dict[str, str]]:
    """The sections of a kind in a configuration of Fluent Bit, with their keys in lower case."""
    found: list[dict[str, str]] = []
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{kind}]"
            if inside:
                found.append({})
        elif inside and line and not line.startswith(("#", "@")):
            key, _, value = line.partition(" ")
            found[-1][key.lower()] = value.strip()
    return found


def _annotated(cluster: Cluster, namespace: str, account: str) -> str:
    """The role of a service account."""
    (found,) = [a for a in cluster.list("serviceaccounts", namespace) if a["metadata"]["name"] == account]
    return found["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]


def _is_for(world: World, environment: Environment, arn: str, account: str) -> None:
    """Checks that a role trusts one service account of the environment's cluster and nobody else."""
    (statement,) = world.roles(environment.account)[arn.rpartition("/")[2]]["AssumeRolePolicyDocument"]["Statement"]
    cluster = world.target("eks", environment.region).describe_cluster(name=environment.result["cluster"]["name"])["cluster"]
    issuer = cluster["identity"]["oidc"]["issuer"].removeprefix("https://")
    assert statement == {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::{environment.account}:oidc-provider/{issuer}"},
        "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"system:serviceaccount:{account}"}},
    }


def _group(world: World) -> dict[str, Any]:
    """The node group of the managed environment."""
    eks, cluster = world.target("eks"), "opa-staging-cluster"
    (name,) = eks.list_nodegroups(clusterName=cluster)["nodegroups"]
    return eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]


def _subnets(world: World, environment: Environment, kind: str) -> set[str]:
    name = f"{environment.result['outputs']['VPC']}/{kind}-subnets"
    return set(world.target("ssm").get_parameter(Name=name)["Parameter"]["Value"].split(","))


def _endpoints(world: World, environment: Environment) -> dict[str, dict[str, Any]]:
    """The VPC's endpoints by what stands behind the region in their services' names."""
    vpc, region = environment.result["network"]["vpcId"], environment.region
    found = world.target("ec2", region).describe_vpc_endpoints()["VpcEndpoints"]
    return {e["ServiceName"].removeprefix(f"com.amazonaws.{region}."): e for e in found if e["VpcId"] == vpc}


def _table(world: World, vpc: str, subnet: str) -> dict[str, Any]:
    """The route table of a subnet."""
    tables = world.target("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    (found,) = [t for t in tables if any(a.get("SubnetId") == subnet for a in t["Associations"])]
    return found


def _default_routes(world: World, vpc: str, subnet: str) -> list[str]:
    """The NAT gateways that a subnet's calls go through."""
    routes = _table(world, vpc, subnet)["Routes"]
    return [r.get("NatGatewayId", "") for r in routes if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
