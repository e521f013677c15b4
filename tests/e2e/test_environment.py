"""A request becomes an environment: what stands in the accounts and in the cluster afterwards."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest

from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.harmonix import Answer, Backend
from e2e.provider import STAGES, Environment, Provider, fill, fixture
from e2e.world import World

STACKS = ("Network", "Identity", "Cluster", "Egress", "Kubectl", "Capacity", "AddonRoles", "Stack")
OUTPUTS, PARAMETERS, ROLES, ACCESS = (fixture(name) for name in ("outputs", "parameters", "roles", "access"))

both = pytest.mark.parametrize("example", ["fargate", "managed-nodes"])


@pytest.fixture
def environment(examples: dict[str, Environment], example: str) -> Environment:
    """The environment of the example that the test names."""
    return examples[example]


def test_result_document_says_what_was_made(fargate: Environment) -> None:
    result = fargate.result
    assert result["status"] == "SUCCEEDED"
    assert result["operation"] == "apply"
    assert result["environment"] == "opa-development"
    assert (result["awsAccountID"], result["awsRegion"]) == ("222222222222", "us-east-1")
    assert result["changed"] is True
    assert [stage["stage"] for stage in result["stages"]] == STAGES
    changes = {stage["stage"]: stage["change"] for stage in result["stages"]}
    # EKS installs CoreDNS, which is moved to Fargate; Verify leaves nothing behind.
    others = {"ClusterDNS": "updated", "Verify": "unchanged"}
    assert {s: changes[s] for s in STAGES[2:]} == dict.fromkeys(STAGES[2:], "created") | others
    assert result["cluster"]["name"] == "opa-development-cluster"
    assert result["cluster"]["arn"] == "arn:aws:eks:us-east-1:222222222222:cluster/opa-development-cluster"
    assert result["cluster"]["version"] == "1.36"
    assert result["kubectl"]["functionArn"] == "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-development-kubectl"
    assert result["findings"] == []
    assert result["consoleUrl"].endswith(fargate.execution.arn)


def test_success_is_in_the_history_and_the_lock_is_free(provider: Provider, fargate: Environment) -> None:
    (row,) = [r for r in provider.past(fargate.request) if r["execution"] == fargate.execution.arn]
    assert row["status"] == "SUCCEEDED"
    assert json.loads(row["document"])["environment"] == "opa-development"
    assert provider.holder(fargate.request) is None


@both
def test_provider_stack_has_harmonix_outputs(world: World, environment: Environment) -> None:
    kind = environment.request["nodeType"]
    stack = world.stacks(environment.account)[f"EKS-ENV-{environment.prefix}-{environment.name}-Stack"]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert outputs == environment.result["outputs"]
    ours = {name: value for name, value in outputs.items() if name not in OUTPUTS["beyond the contract"]}
    assert ours == environment.fill({**OUTPUTS["every"], **OUTPUTS[kind]})


@both
def test_parameters_have_harmonix_names_types_and_values(world: World, environment: Environment) -> None:
    expected = environment.fill({**PARAMETERS["every"], **PARAMETERS[environment.request["nodeType"]]})
    found = _parameters(world, environment)
    assert sorted(found) == sorted(expected)
    assert {name: p["Type"] for name, p in found.items()} == {name: kind for name, (kind, _) in expected.items()}
    for name, (_, pattern) in expected.items():
        assert fnmatch.fnmatchcase(found[name]["Value"], pattern), name


@both
def test_parameters_lead_to_what_they_name(world: World, environment: Environment) -> None:
    path = f"/{environment.prefix}/{environment.name}"
    value = {name.removeprefix(f"{path}/"): p["Value"] for name, p in _parameters(world, environment).items()}
    ec2 = world.target("ec2")
    (vpc,) = ec2.describe_vpcs(VpcIds=[value["vpc"]])["Vpcs"]
    assert vpc["CidrBlock"] == environment.request["cidr"]
    # Harmonix tags the subnets for load balancers (2.3).
    for parameter, tag in (("vpc/public-subnets", "kubernetes.io/role/elb"), ("vpc/private-subnets", "kubernetes.io/role/internal-elb")):
        wanted = [{"Name": "vpc-id", "Values": [value["vpc"]]}, {"Name": f"tag:{tag}", "Values": ["1"]}]
        subnets = ec2.describe_subnets(Filters=wanted)["Subnets"]
        assert {s["SubnetId"] for s in subnets} == set(value[parameter].split(","))
    # The consumer takes what stands behind the slash (section 0, row 4).
    cluster = world.target("eks").describe_cluster(name=value["eks-cluster"].split("/")[1])["cluster"]
    assert cluster["status"] == "ACTIVE"
    table = world.target("dynamodb").describe_table(TableName=value[f"{environment.name}-audit"])["Table"]
    assert {k["AttributeName"]: k["KeyType"] for k in table["KeySchema"]} == {"id": "HASH", "createdAt": "RANGE"}
    assert table["SSEDescription"]["KMSMasterKeyArn"] == value["kms-key"]
    roles = world.roles(environment.account)
    for parameter in [p for p in value if p.endswith("-arn")]:
        assert value[parameter] == roles[value[parameter].rpartition("/")[2]]["Arn"]


@both
def test_roles_have_harmonix_names_and_trust(world: World, environment: Environment) -> None:
    roles = world.roles(environment.account)
    kinds = {**ROLES["every"], **ROLES[environment.request["nodeType"]]}
    for name, principal in fill(environment.fill(kinds), platform="111111111111").items():
        (statement,) = roles[name]["AssumeRolePolicyDocument"]["Statement"]
        assert (statement["Effect"], _trusted(statement)) == ("Allow", principal), name


def test_pod_execution_role_serves_the_profiles_of_its_cluster_only(world: World, fargate: Environment) -> None:
    role = world.roles(fargate.account)["opa-development-pod-execution-role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    profiles = "arn:aws:eks:us-east-1:222222222222:fargateprofile/opa-development-cluster/*"
    assert statement["Condition"] == {"ArnLike": {"aws:SourceArn": profiles}}


def test_everything_is_in_the_target_account(world: World, cloud: Cloud, fargate: Environment) -> None:
    stacks = [f"EKS-ENV-opa-development-{part}" for part in STACKS]
    assert {*stacks, "EKS-ENV-Bootstrap"} <= set(world.stacks(fargate.account))
    platform = cloud.platform_account
    assert not [name for name in world.stacks(platform) if name.startswith("EKS-ENV-")]
    assert not [name for name in world.roles(platform) if "development" in name]
    assert cloud.client("eks", platform).list_clusters()["clusters"] == []
    parameters = cloud.client("ssm", platform).describe_parameters()["Parameters"]
    assert sorted(p["Name"] for p in parameters) == ["/opa/pipeline-role", "/opa/platform-role"]


@both
def test_stacks_carry_the_service_role_and_the_tags(world: World, environment: Environment) -> None:
    full = f"{environment.prefix}-{environment.name}"
    stacks = {n: s for n, s in world.stacks(environment.account).items() if n.startswith(f"EKS-ENV-{full}-")}
    assert sorted(stacks) == sorted(f"EKS-ENV-{full}-{part}" for part in STACKS)
    for name, stack in stacks.items():
        assert stack["RoleARN"] == "arn:aws:iam::222222222222:role/EKS-ENV-CloudFormation-us-east-1", name
        tags = {t["Key"]: t["Value"] for t in stack["Tags"]}
        assert tags == {"eks-environment": full, **environment.request.get("tags", {})}, name


def test_cluster_is_configured_as_harmonix_has_it(world: World, fargate: Environment) -> None:
    cluster = world.target("eks").describe_cluster(name="opa-development-cluster")["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert (network["endpointPublicAccess"], network["endpointPrivateAccess"]) == (True, True)
    assert network["publicAccessCidrs"] == ["0.0.0.0/0"]
    values = {n: p["Value"] for n, p in _parameters(world, fargate).items()}
    listed = [values[f"/opa/development/vpc/{kind}-subnets"] for kind in ("public", "private")]
    assert network["subnetIds"] == ",".join(listed).split(",")  # public first, then private (2.6)
    assert cluster["version"] == "1.36"
    # CONFIG_MAP in Harmonix; the compatible mode that also has access entries (4.5, row 8).
    assert cluster["accessConfig"]["authenticationMode"] == "API_AND_CONFIG_MAP"
    enabled = {t for group in cluster["logging"]["clusterLogging"] if group["enabled"] for t in group["types"]}
    assert {"api", "authenticator", "scheduler"} <= enabled
    assert [e["resources"] for e in cluster["encryptionConfig"]] == [["secrets"]]


def test_oidc_provider_trusts_the_clusters_issuer(world: World, fargate: Environment) -> None:
    issuer = world.target("eks").describe_cluster(name="opa-development-cluster")["cluster"]["identity"]["oidc"]["issuer"]
    arn = f"arn:aws:iam::222222222222:oidc-provider/{issuer.removeprefix('https://')}"
    provider = world.target("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert provider["Url"].removeprefix("https://") == issuer.removeprefix("https://")
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]


def test_administrators_have_access_entries(world: World, fargate: Environment) -> None:
    eks, cluster = world.target("eks"), "opa-development-cluster"
    roles = [f"arn:aws:iam::222222222222:role/opa-development-{role}-role" for role in ("cluster-admin", "provisioning")]
    assert set(roles) <= set(eks.list_access_entries(clusterName=cluster)["accessEntries"])
    for role in roles:
        entry = eks.describe_access_entry(clusterName=cluster, principalArn=role)["accessEntry"]
        assert (entry["username"], entry["type"]) == (role, "STANDARD")
        policies = eks.list_associated_access_policies(clusterName=cluster, principalArn=role)["associatedAccessPolicies"]
        assert [(p["policyArn"], p["accessScope"]["type"]) for p in policies] == [
            ("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "cluster")
        ]


@both
def test_aws_auth_is_a_json_array_in_harmonix_order(cloud: Cloud, environment: Environment) -> None:
    (found,) = [c for c in Cluster(cloud, environment.result).list("configmaps", "kube-system") if c["metadata"]["name"] == "aws-auth"]
    expected = fill(environment.fill(ACCESS["mapRoles"][environment.request["nodeType"]]), **_arns(environment))
    # Applications append to it.
    assert json.loads(found["data"]["mapRoles"])[:3] == expected
    assert (found["data"]["mapUsers"], found["data"]["mapAccounts"]) == ("[]", "[]")


@both
def test_cluster_has_the_rbac_objects_that_applications_bind(cloud: Cloud, environment: Environment) -> None:
    cluster = Cluster(cloud, environment.result)
    bindings = {b["metadata"]["name"]: b for b in cluster.list("clusterrolebindings")}
    binding = {key: bindings["opa-cluster-admin"][key] for key in ("roleRef", "subjects")}
    assert binding == fill(ACCESS["opa-cluster-admin"], **_arns(environment))
    roles = {r["metadata"]["name"]: r for r in cluster.list("clusterroles")}
    assert roles["opa-namespace-viewer"]["rules"] == ACCESS["opa-namespace-viewer"]


def test_kubectl_function_stands_in_the_vpc_with_a_layer_of_the_account(world: World, fargate: Environment) -> None:
    function = world.target("lambda").get_function(FunctionName="EKS-ENV-opa-development-kubectl")["Configuration"]
    private = _parameters(world, fargate)["/opa/development/vpc/private-subnets"]["Value"]
    assert set(function["VpcConfig"]["SubnetIds"]) == set(private.split(","))
    assert function["Role"] == fargate.result["outputs"]["KubectlLambdaRoleDirectARN"]
    (layer,) = function["Layers"]
    assert layer["Arn"].startswith("arn:aws:lambda:us-east-1:222222222222:layer:")
    assert fargate.result["outputs"]["KubectlLambdaArn"] == function["FunctionArn"].removesuffix(":$LATEST")


def test_function_admits_only_the_cluster_api_into_the_control_planes_group(world: World, fargate: Environment) -> None:
    cluster = world.target("eks").describe_cluster(name="opa-development-cluster")["cluster"]
    function = world.target("lambda").get_function(FunctionName="EKS-ENV-opa-development-kubectl")["Configuration"]
    (group,) = cluster["resourcesVpcConfig"]["securityGroupIds"]
    (found,) = world.target("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    admitted = [
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], [p["GroupId"] for p in rule["UserIdGroupPairs"]], rule["IpRanges"])
        for rule in found["IpPermissions"]
    ]
    assert admitted == [("tcp", 443, 443, function["VpcConfig"]["SecurityGroupIds"], [])]


def test_functions_own_role_has_no_rights_in_the_cluster(cloud: Cloud, fargate: Environment) -> None:
    payload = {
        "RequestType": "Create",
        "ResourceType": "Custom::AWSCDK-EKS-KubernetesObjectValue",
        "ResourceProperties": {
            "ClusterName": "opa-development-cluster",
            "RoleArn": "",
            "ObjectType": "secrets",
            "ObjectNamespace": "kube-system",
            "JsonPath": "@",
            "TimeoutSeconds": "1",
        },
    }
    answer: Answer = Backend(cloud, fargate).invoke(fargate.result["kubectl"]["functionArn"], payload)
    assert answer.refused()


def _parameters(world: World, environment: Environment) -> dict[str, dict[str, Any]]:
    path = f"/{environment.prefix}/{environment.name}"
    pages = world.target("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    return {p["Name"]: p for page in pages for p in page["Parameters"]}


def _trusted(statement: dict[str, Any]) -> dict[str, str]:
    """Whom a trust policy lets in: a role that its account is asked for by ARN outlives its own deletion."""
    role = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn")
    if not role:
        return statement["Principal"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{role.split(':')[4]}:root"}
    return {"AWS": role}


def _arns(environment: Environment) -> dict[str, str]:
    outputs = environment.result["outputs"]
    return {"admin": outputs["ClusterAdminRoleDirectARN"], "node": outputs.get("NodeRoleArn", "")}
