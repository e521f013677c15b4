"""A request that is wrong is refused with everything that is wrong with it, before anything is created."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud import Cloud
from e2e.provider import Provider, example
from e2e.world import REGIONS, World

# One change of docs/examples/fargate.json each, and what the message has to say about it.
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown field": ({"kubernetesVerison": "1.36"}, ["/kubernetesVerison: got an unknown field", 'did you mean "kubernetesVersion"?']),
    "number for a string": ({"awsAccountID": 222222222222}, ["/awsAccountID: got the number 222222222222", "send it in quotation marks"]),
    "string for a number": (
        {"nodeType": "MANAGED", "nodeGroupMaxSize": "3"},
        ['/nodeGroupMaxSize: got "3"', "without quotation marks"],
    ),
    "null": ({"apiAccess": {}}, ["/apiAccess: got an object", '"private", "public_and_private"']),
    "no CIDR block": ({"cidr": "10.0.0.0"}, ['/cidr: got "10.0.0.0"', "/16", "/24"]),
    "address within a block": ({"cidr": "10.0.0.7/24"}, ["/cidr", 'did you mean "10.0.0.0/24"?']),
    "block too small": ({"cidr": "10.0.0.0/28"}, ["/cidr", "/24"]),
    "public block": ({"cidr": "8.8.0.0/16"}, ["/cidr", "10.0.0.0/8"]),
    "unknown region": ({"awsRegion": "us-est-1"}, ['/awsRegion: got "us-est-1"', 'did you mean "us-east-1"?']),
    "unknown AMI type": (
        {"nodeType": "MANAGED", "amiType": "AL2023_x86_64"},
        ['/amiType: got "AL2023_x86_64"', "AL2023_x86_64_STANDARD"],
    ),
    "AMI type without an image for the version": (
        {"nodeType": "MANAGED", "amiType": "AL2_x86_64"},
        ['/amiType: got "AL2_x86_64"'],
    ),
    "sizes out of order": (
        {"nodeType": "MANAGED", "nodeGroupMinSize": 3, "nodeGroupDesiredSize": 2, "nodeGroupMaxSize": 4},
        ["/nodeGroupDesiredSize: got min 3, desired 2, max 4", "min ≤ desired ≤ max"],
    ),
    "disk below the image's need": ({"nodeType": "MANAGED", "nodeGroupDiskSize": 8}, ["/nodeGroupDiskSize: got the number 8", "20"]),
    "instance type of another architecture": (
        {"nodeType": "MANAGED", "instanceType": "m6g.large", "amiType": "AL2023_x86_64_STANDARD"},
        ['/instanceType: got "m6g.large"', "arm64", "AL2023_ARM_64_STANDARD"],
    ),
    "unknown endpoint": ({"interfaceEndpoints": ["sts", "moon"]}, ['/interfaceEndpoints/1: got "moon"', '"sts"']),
    "unknown number of NAT gateways": ({"natGateways": "two"}, ['/natGateways: got "two"', '"single"', '"perAz"']),
    "chart repository without encryption": (
        {"chart": {"repository": "http://example.com/charts"}},
        ['/chart/repository: got "http://example.com/charts"'],
    ),
    "version without support": ({"kubernetesVersion": "1.30"}, ['/kubernetesVersion: got "1.30"', "1.36"]),
    "version that is none": ({"kubernetesVersion": "latest"}, ['/kubernetesVersion: got "latest"', "1.36"]),
    "no environment role": ({"environmentRole": None}, ["/environmentRole: got nothing"]),
    "role of another account": (
        {"environmentRole": "arn:aws:iam::333333333333:role/EKS-ENV-EnvironmentRole"},
        ["/environmentRole", "222222222222"],
    ),
    "capitals in the name": ({"name": "Development"}, ['/name: got "Development"', 'did you mean "development"?']),
    "capitals in the prefix": ({"prefix": "OPA"}, ['/prefix: got "OPA"', 'did you mean "opa"?']),
    "names too long together": ({"name": "a" * 30, "prefix": "b" * 30}, ["36"]),
    "operation that there is not": ({"operation": "destroy"}, ["/operation"]),
    "several at once": (
        {"name": "My Env", "cidr": "10.0.0.7/24", "awsRegion": "moon-1", "nodeType": "SPOT", "kubernetesversion": "1.36"},
        ["5 things are wrong", "/name: ", "/cidr: ", "/awsRegion: ", "/nodeType: ", "/kubernetesversion: "],
    ),
}

NO_OBJECTS = {
    "a string": ("text", "a string arrived as request"),
    "an array": ([], "an array arrived as request"),
    "null": (None, "null arrived as request"),
    "a number": (3, "a number arrived as request"),
    "a request within a string": ('{"name": "development"}', "a string arrived as request"),
}


@pytest.fixture
def untouched(world: World) -> Iterator[None]:
    """Fails the test if anything came into being in the target account."""
    account = world.cloud.target_account
    before, since = [set(world.stacks(account, region)) for region in REGIONS], time.time()
    yield
    assert [set(world.stacks(account, region)) for region in REGIONS] == before
    assert world.calls(since, account) == []


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("case", CASES)
def test_wrong_request_is_refused(provider: Provider, case: str) -> None:
    changes, expected = CASES[case]
    cause = provider.run(example("fargate", **changes)).failed("InvalidRequest")
    assert cause["stage"] == "Preflight"
    assert [text for text in expected if text not in cause["message"]] == [], cause["message"]
    assert "nothing was created" in cause["message"]
    assert cause["next"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("case", NO_OBJECTS)
def test_what_is_no_object_is_refused(provider: Provider, case: str) -> None:
    given, expected = NO_OBJECTS[case]
    cause = provider.run(given).failed("InvalidRequest")
    assert expected in cause["message"]
    assert cause["next"]


@pytest.mark.usefixtures("untouched")
def test_missing_default_roles_are_named_with_their_parameters(cloud: Cloud, provider: Provider) -> None:
    ssm = cloud.client("ssm")
    names = ["/opa/platform-role", "/opa/pipeline-role"]
    values = {p["Name"]: p["Value"] for p in ssm.get_parameters(Names=names)["Parameters"]}
    ssm.delete_parameters(Names=names)
    try:
        cause = provider.run(example("fargate")).failed("InvalidRequest")
    finally:
        for name, value in values.items():
            ssm.put_parameter(Name=name, Value=value, Type="String")
    for field, name in (("/platformRole", "/opa/platform-role"), ("/pipelineRole", "/opa/pipeline-role")):
        assert f"\n- {field}: " in cause["message"]
        assert name in cause["message"]


@pytest.mark.usefixtures("untouched")
def test_secret_external_id_is_not_repeated(provider: Provider) -> None:
    execution = provider.run(example("fargate", externalId="se cret"))
    cause = execution.failed("InvalidRequest")
    assert "/externalId: " in cause["message"]
    assert "se cret" not in execution.description["cause"]


@pytest.mark.usefixtures("untouched")
def test_wrong_external_id_is_access_denied_with_a_remedy(provider: Provider) -> None:
    execution = provider.run(example("fargate", externalId="another-secret"))
    cause = execution.failed("AccessDenied")
    assert (cause["stage"], cause["field"]) == ("Preflight", "/environmentRole")
    assert "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole" in cause["message"]
    assert "nothing was created" in cause["message"]
    assert "ExternalId" in cause["next"]
    assert "infra/environment-role.yaml" in cause["next"]
    assert "another-secret" not in execution.description["cause"]


@pytest.mark.usefixtures("untouched")
def test_environment_role_that_is_missing_is_access_denied_with_a_remedy(provider: Provider) -> None:
    # Within the patterns that the orchestrator may assume, so that nothing but the role is missing.
    missing = "arn:aws:iam::222222222222:role/opa-envprovisioning-role"
    cause = provider.run(example("fargate", environmentRole=missing)).failed("AccessDenied")
    assert missing in cause["message"]
    assert "check that the role exists" in cause["next"]


@pytest.mark.usefixtures("untouched")
def test_request_without_external_id_is_access_denied_with_a_remedy(provider: Provider) -> None:
    cause = provider.run(example("fargate", externalId=None)).failed("AccessDenied")
    assert "send externalId" in cause["next"]
