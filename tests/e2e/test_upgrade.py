"""The same request with a newer kubernetesVersion upgrades an environment in place, one minor version a step."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import pytest

from demo.cloud import Cloud
from e2e.harmonix import Backend
from e2e.provider import Environment, Execution, Provider, example
from e2e.world import World

CLUSTER = "opa-ladder-cluster"


@dataclasses.dataclass(frozen=True)
class Upgrade:
    """An environment at 1.35, and the same request with 1.36."""

    before: Environment
    after: Environment
    since: float
    jump: Execution
    kubectl: dict[str, Any]


def _kubectl(cloud: Cloud, environment: Environment) -> dict[str, Any]:
    payload = {
        "ClusterName": CLUSTER,
        "RoleArn": environment.result["outputs"]["ClusterAdminRoleDirectARN"],
        "Command": ["version", "--client"],
    }
    answer = Backend(cloud, environment).invoke(environment.result["kubectl"]["functionArn"], payload)
    assert not answer.error, answer.body
    return answer.body


@pytest.fixture(scope="module")
def upgrade(cloud: Cloud, provider: Provider) -> Upgrade:
    request = example("managed-nodes", name="ladder", cidr="10.77.0.0/16", kubernetesVersion="1.35")
    before = Environment(request, provider.run(request).succeeded())
    kubectl = _kubectl(cloud, before)
    jump = provider.run(request | {"kubernetesVersion": "1.37"})
    since = time.time()
    newer = request | {"kubernetesVersion": "1.36"}
    return Upgrade(before, Environment(newer, provider.run(newer).succeeded()), since, jump, kubectl)


def test_environment_begins_at_the_version_that_was_asked_for(upgrade: Upgrade) -> None:
    assert upgrade.before.result["cluster"]["version"] == "1.35"
    assert upgrade.kubectl["Version"]["Kubectl"] == "v1.35.10"


def test_two_versions_at_once_are_refused_before_anything_changes(upgrade: Upgrade) -> None:
    cause = upgrade.jump.failed("InvalidRequest")
    assert (cause["stage"], cause["field"]) == ("Preflight", "/kubernetesVersion")
    assert "the version that the cluster runs, 1.35, or the one after it" in cause["message"]
    assert "ask for 1.36 first" in cause["message"]


def test_only_what_follows_the_version_changes(upgrade: Upgrade) -> None:
    changes = {s["stage"]: s["change"] for s in upgrade.after.result["stages"]}
    assert {s for s, change in changes.items() if change != "unchanged"} - {"Lock"} == {"Cluster", "DeployKubectl", "Capacity"}
    assert upgrade.after.result["outputs"] == upgrade.before.result["outputs"]


def test_control_plane_and_nodes_are_upgraded_in_place(world: World, upgrade: Upgrade) -> None:
    eks = world.target("eks")
    assert eks.describe_cluster(name=CLUSTER)["cluster"]["version"] == "1.36"
    assert upgrade.after.result["cluster"]["arn"] == upgrade.before.result["cluster"]["arn"]
    (group,) = eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]
    assert eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=group)["nodegroup"]["version"] == "1.36"


def test_version_travels_alone(world: World, upgrade: Upgrade) -> None:
    calls = [c for c in world.calls(upgrade.since, "222222222222") if c.startswith("cloudformation:UpdateStack")]
    assert len(calls) == 3, calls  # cluster, kubectl function, node group


def test_kubectl_that_answers_is_the_new_layers(cloud: Cloud, upgrade: Upgrade) -> None:
    assert _kubectl(cloud, upgrade.after)["Version"]["Kubectl"] == "v1.36.3"


def test_a_lower_version_is_refused(provider: Provider, upgrade: Upgrade) -> None:
    cause = provider.run(upgrade.before.request).failed("InvalidRequest")
    assert (cause["stage"], cause["field"]) == ("Preflight", "/kubernetesVersion")
    assert "a cluster is not taken back to an earlier one" in json.dumps(cause)
