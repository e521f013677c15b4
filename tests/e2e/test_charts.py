"""The load balancer controller's chart: of another version, and from where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from demo import deploy
from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e.provider import Environment, Provider, Request


@pytest.fixture
def request_(fargate: Environment) -> Request:
    """The request of an environment that stands already, so that only the chart is anew."""
    return fargate.request


def test_version_that_does_not_exist_is_named_and_without_it_the_request_goes_on(provider: Provider, request_: Request) -> None:
    cause = provider.run(request_ | {"chart": {"version": "9.9.9"}}).failed("InvalidRequest")
    assert cause["stage"] == "LoadBalancer"
    for text in ("aws-load-balancer-controller", "9.9.9", "3.5.0", "3.4.0"):
        assert text in cause["message"] + cause["next"]
    assert cause["field"] == "/chart/version"
    assert provider.holder(request_) is None
    assert provider.run(request_).succeeded().result["changed"] is False


@pytest.mark.parametrize("repository", ["https://127.0.0.1:1/charts", "https://charts.invalid/stable"])
def test_repository_that_cannot_be_reached_is_named(provider: Provider, request_: Request, repository: str) -> None:
    cause = provider.run(request_ | {"chart": {"repository": repository}}).failed("Failed")
    assert cause["stage"] == "LoadBalancer"
    assert repository in cause["message"]
    # What could be in the way, since the function has another network than the reader.
    assert "NAT gateway" in cause["message"] + cause["next"]


def test_repository_that_answers_otherwise_is_named_with_the_status(cloud: Cloud, provider: Provider, request_: Request) -> None:
    nowhere = f"{cloud.settings['LOCALCLOUD_CHARTS']}/nowhere"
    functions, name, variables = _settings(cloud)
    _set(functions, name, variables | {"CHART_REPOSITORY": nowhere})
    try:
        cause = provider.run(request_).failed("Failed")
    finally:
        _set(functions, name, variables)
    assert nowhere in cause["message"]
    assert "HTTP status 404" in cause["message"]


def test_other_version_is_installed_and_taken_back(cloud: Cloud, provider: Provider, request_: Request) -> None:
    # The later one is what the orchestrator takes by itself.
    for version in ("3.4.0", "3.5.0"):
        result = provider.run(request_ | {"chart": {"version": version}}).succeeded().result
        assert [s["stage"] for s in result["stages"] if s["change"] != "unchanged"] == ["LoadBalancer"]
        assert result["findings"] == []
        assert _image(cloud, result).endswith(f":v{version}")


def _image(cloud: Cloud, result: dict[str, Any]) -> str:
    found = Cluster(cloud, result).list("deployments", "kube-system")
    (controller,) = [d for d in found if d["metadata"]["name"] == "aws-load-balancer-controller"]
    return controller["spec"]["template"]["spec"]["containers"][0]["image"]


def _settings(cloud: Cloud) -> tuple[Any, str, dict[str, str]]:
    """The LoadBalancer function's client, name and variables."""
    detail = cloud.client("cloudformation").describe_stack_resource(StackName=deploy.STACK, LogicalResourceId="LoadBalancerFunction")
    name, functions = detail["StackResourceDetail"]["PhysicalResourceId"], cloud.client("lambda")
    return functions, name, functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]


def _set(functions: Any, name: str, variables: dict[str, str]) -> None:
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
