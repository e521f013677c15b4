"""The operation plan says what an apply would change, stage by stage, and changes nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud import Cloud
from e2e.provider import STAGES, Environment, Execution, Provider, Request, example
from e2e.world import World, eventually
from localcloud import snapshot

PLANNED = [stage for stage in STAGES if stage not in ("Lock", "Verify")]
STACKS = {
    "Network": "Network",
    "Identity": "Identity",
    "Cluster": "Cluster",
    "Egress": "Egress",
    "DeployKubectl": "Kubectl",
    "Capacity": "Capacity",
    "AddonRoles": "AddonRoles",
    "Register": "Stack",
}

BEFORE = example("managed-nodes", name="planned", cidr="10.77.0.0/20", natGateways="perAz")
# One change of each kind: what comes, what is changed in place, what is made anew, what goes.
AFTER = BEFORE | {
    "natGateways": "single",
    "interfaceEndpoints": ["sts"],
    "nodeGroupMaxSize": 5,
    "amiType": "BOTTLEROCKET_x86_64",
    "chart": {"version": "3.4.0"},
}

Change = tuple[str, str, str]
"""Action, type and name."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """A plan, and what was different in the whole local cloud after it."""

    execution: Execution
    differences: list[str]

    @property
    def result(self) -> dict[str, Any]:
        """The result document."""
        return self.execution.succeeded().result

    def changes(self, stage: str) -> set[Change]:
        """What the stage would change."""
        return {(c["action"], c["type"], c["name"]) for c in self.of(stage).get("changes", [])}

    def of(self, stage: str) -> dict[str, Any]:
        """The stage's plan."""
        return next(s for s in self.result["stages"] if s["stage"] == stage)


def plan(world: World, provider: Provider, request: Request) -> Planned:
    """Runs a plan between two snapshots."""
    before = snapshot.take(world.layout)
    execution = provider.run(request | {"operation": "plan"})
    return Planned(execution, snapshot.differences(before, snapshot.take(world.layout)))


@dataclasses.dataclass(frozen=True)
class Story:
    """An environment that is planned, made, planned again as changed, and changed."""

    new: Planned
    made: Environment
    changed: Planned
    during: Execution
    before: dict[str, dict[str, str]]
    after: dict[str, dict[str, str]]
    applied: Execution


@pytest.fixture(scope="module")
def story(cloud: Cloud, world: World, provider: Provider, examples: dict[str, Environment]) -> Story:
    """Everything once; the examples are there, and rest."""
    new = plan(world, provider, BEFORE)
    made = Environment(BEFORE, provider.run(BEFORE).succeeded())
    changed = plan(world, provider, AFTER)
    before = {stage: _resources(world, stage) for stage in STACKS}
    running = provider.start(AFTER)
    eventually(lambda: provider.holder(AFTER) == running, "the lock is taken")
    during = provider.run(AFTER | {"operation": "plan"})
    applied = provider.wait(running).succeeded()
    after = {stage: _resources(world, stage) for stage in STACKS}
    return Story(new, made, changed, during, before, after, applied)


def _resources(world: World, stage: str) -> dict[str, str]:
    """Physical by logical ids of the stage's stack."""
    pages = world.target("cloudformation").get_paginator("list_stack_resources").paginate(StackName=f"EKS-ENV-opa-planned-{STACKS[stage]}")
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for page in pages for r in page["StackResourceSummaries"]}


def _events(world: World, stage: str) -> Iterator[dict[str, Any]]:
    name = f"EKS-ENV-opa-planned-{STACKS[stage]}"
    for page in world.target("cloudformation").get_paginator("describe_stack_events").paginate(StackName=name):
        yield from page["StackEvents"]


def test_a_plan_changes_nothing(story: Story) -> None:
    assert story.new.differences == []
    assert story.changed.differences == []


def test_no_stack_is_left_behind(world: World, story: Story) -> None:
    assert "REVIEW_IN_PROGRESS" not in {s["StackStatus"] for s in world.stacks("222222222222").values()}
    for name in world.stacks("222222222222"):
        assert world.target("cloudformation").list_change_sets(StackName=name)["Summaries"] == [] or "EKS-ENV" not in name


def test_a_plan_is_no_part_of_the_history(provider: Provider, story: Story) -> None:
    executions = [row["execution"] for row in provider.past(BEFORE)]
    assert executions == [story.made.execution.arn, story.applied.arn]
    assert provider.holder(BEFORE) is None


def test_new_environment_is_added_whole(world: World, story: Story) -> None:
    result = story.new.result
    assert (result["status"], result["operation"], result["environment"]) == ("PLANNED", "plan", "opa-planned")
    assert (result["changes"], result["complete"]) == (True, True)
    assert [stage["stage"] for stage in result["stages"]] == PLANNED
    assert story.new.of("Bootstrap")["change"] == "unchanged"  # the examples have made it
    stacks = world.target("cloudformation")
    for stage, part in STACKS.items():
        # What was planned is what the first apply has made, resource by resource.
        made = {e["LogicalResourceId"] for e in _events(world, stage) if e["ResourceStatus"] == "CREATE_COMPLETE"}
        template = stacks.get_template(StackName=f"EKS-ENV-opa-planned-{part}")["TemplateBody"]
        resources = (template if isinstance(template, dict) else json.loads(template))["Resources"]
        first = {name for name in made if name in resources} - _added_later(story, stage)
        assert story.new.changes(stage) == {("added", resources[name]["Type"], name) for name in first}, stage
    assert {c[1:] for c in story.new.changes("Access")} == {
        ("ClusterRoleBinding", "opa-cluster-admin"),
        ("ClusterRole", "opa-namespace-viewer"),
        ("ConfigMap", "kube-system/aws-auth"),
    }
    assert ("added", "Helm release", "kube-system/aws-load-balancer-controller") in story.new.changes("LoadBalancer")
    assert ("added", "DaemonSet", "amazon-cloudwatch/fluent-bit") in story.new.changes("Logging")
    assert result["summary"]["added"] == sum(len(story.new.changes(stage)) for stage in PLANNED)


def _added_later(story: Story, stage: str) -> set[str]:
    """What only the second apply has added. What it made anew the first one had made too."""
    return {name for action, _, name in story.changed.changes(stage) if action == "added"}


@pytest.fixture(scope="module")
def rest(world: World, provider: Provider, examples: dict[str, Environment]) -> tuple[dict[str, Planned], Planned]:
    """Plans of what is there, and of what cannot be, all at once between two snapshots."""
    # The tests of node options and selectors have changed theirs by now.
    requests = {name: environment.request for name, environment in examples.items() if name not in ("node-options", "other-region")}
    requests["refused"] = examples["managed-nodes"].request | {"cidr": "10.99.0.0/20"}
    before = snapshot.take(world.layout)
    started = {name: provider.start(request | {"operation": "plan"}) for name, request in requests.items()}
    ended = {name: provider.wait(arn) for name, arn in started.items()}
    differences = snapshot.differences(before, snapshot.take(world.layout))
    plans = {name: Planned(execution, differences) for name, execution in ended.items()}
    refused = plans.pop("refused")
    return plans, refused


def test_unchanged_environments_have_nothing_to_change(rest: tuple[dict[str, Planned], Planned]) -> None:
    for name, planned in rest[0].items():
        assert {stage["stage"]: stage["change"] for stage in planned.result["stages"]} == dict.fromkeys(PLANNED, "unchanged"), name
        assert planned.result["summary"] == {"added": 0, "modified": 0, "replaced": 0, "removed": 0}
        assert planned.result["changes"] is False
        assert planned.differences == []


def test_changed_request_shows_every_kind_of_change(story: Story) -> None:
    planned = story.changed
    assert planned.changes("Egress") == {
        ("added", "AWS::EC2::VPCEndpoint", "InterfaceEndpointSts"),
        ("modified", "AWS::EC2::Route", "PrivateRoute2"),
        ("removed", "AWS::EC2::NatGateway", "NatGateway2"),
        ("removed", "AWS::EC2::EIP", "NatAddress2"),
    }
    assert ("replaced", "AWS::EKS::Nodegroup", "NodeGroup") in planned.changes("Capacity")
    assert 'parameter MaxSize: "4" becomes "5"' in planned.of("Capacity")["because"]
    (release,) = [c for c in planned.of("LoadBalancer")["changes"] if c["type"] == "Helm release"]
    assert release["action"] == "modified"
    assert "chart aws-load-balancer-controller 3.5.0 becomes aws-load-balancer-controller 3.4.0" in release["details"]
    # Bottlerocket keeps ordinary containers from the host's files, so that the log router needs a label.
    assert planned.changes("Logging") == {("modified", "DaemonSet", "amazon-cloudwatch/fluent-bit")}
    assert {s["stage"] for s in planned.result["stages"] if s["change"] != "unchanged"} == {"Egress", "Capacity", "Logging", "LoadBalancer"}


def test_table_is_for_people(story: Story) -> None:
    table = story.changed.result["table"]
    assert table[0].split() == ["STAGE", "ACTION", "TYPE", "NAME", "DETAILS"]
    assert table[-1] == "{added} added, {modified} modified, {replaced} replaced, {removed} removed".format(**story.changed.result["summary"])
    column = table[0].index("ACTION")
    assert all(line[column - 1] == " " for line in table[1:-1])
    assert any(line.split()[:3] == ["removed", "AWS::EC2::NatGateway", "NatGateway2"] for line in table)


def test_apply_does_what_was_planned(story: Story) -> None:
    applied = {stage["stage"]: stage["change"] for stage in story.applied.result["stages"]}
    assert {s["stage"]: s["change"] for s in story.changed.result["stages"]} == {stage: applied[stage] for stage in PLANNED}
    for stage in STACKS:
        before, after = story.before[stage], story.after[stage]
        planned = {action: {n for a, _, n in story.changed.changes(stage) if a == action} for action in ("added", "replaced", "removed")}
        assert after.keys() - before.keys() == planned["added"], stage
        assert before.keys() - after.keys() == planned["removed"], stage
        assert {name for name in before.keys() & after.keys() if before[name] != after[name]} == planned["replaced"], stage


def test_who_holds_the_environment_is_said(story: Story) -> None:
    (finding,) = [f for f in story.during.succeeded().result["findings"] if f["code"] == "EnvironmentHeld"]
    assert story.applied.arn in finding["found"]
    assert finding["severity"] == "warning"


def test_what_cannot_be_changed_is_refused(rest: tuple[dict[str, Planned], Planned]) -> None:
    cause = rest[1].execution.failed("InvalidRequest")
    assert cause["field"] == "/cidr"
    assert rest[1].differences == []
