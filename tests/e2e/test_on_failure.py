"""What becomes of a creation that fails, and who is told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from demo import execution
from demo.cloud import Cloud
from e2e.ear import QUEUE, Ear, listening
from e2e.provider import Execution, Provider, Request, example
from e2e.removal import beforehand, deletion, traces
from e2e.roles import lesser_role, trusting
from e2e.world import World, eventually
from localcloud import snapshot

OBSTACLE = "opa-undone-provisioning-role"


@pytest.fixture(scope="module")
def ear(cloud: Cloud) -> Iterator[Ear]:
    """Hears of every end from here on."""
    with listening(cloud) as ear:
        yield ear


@pytest.fixture(scope="module")
def request_(cloud: Cloud, world: World) -> Iterator[Request]:
    """A request whose Identity stack wants a role name that is taken, which Preflight may not look at."""
    iam = cloud.client("iam", cloud.target_account)
    with lesser_role(world, lambda statement, _: statement["Sid"] == "LookAtRoles") as role:
        iam.create_role(RoleName=OBSTACLE, AssumeRolePolicyDocument=trusting({"Service": "ec2.amazonaws.com"}))
        try:
            yield example("fargate", name="undone", cidr="10.61.0.0/24", environmentRole=role)
        finally:
            with contextlib.suppress(iam.exceptions.NoSuchEntityException):
                iam.delete_role(RoleName=OBSTACLE)


@pytest.fixture(scope="module")
def undone(provider: Provider, world: World, ear: Ear, request_: Request) -> tuple[Execution, list[str]]:
    """A first creation that failed and was removed again, and what it left behind."""
    before = beforehand(world)
    ended = provider.run(request_ | {"onFailure": "delete"})
    # What was told of it waits in the queue of these tests.
    return ended, [line for line in traces(before, snapshot.take(world.layout)) if QUEUE not in line]


def test_first_creation_that_fails_is_removed(undone: tuple[Execution, list[str]]) -> None:
    ended, left = undone
    cause = ended.failed(ended.error)
    assert (cause["stage"], OBSTACLE in cause["message"]) == ("Identity", True)
    assert cause["undo"]["status"] == "complete"
    assert {"stack EKS-ENV-opa-undone-Network", "stack EKS-ENV-opa-undone-Identity"} <= set(cause["undo"]["removed"])
    assert (cause["leftBehind"], cause["exists"]) == ("nothing", [])
    assert left == []


def test_live_table_shows_both(undone: tuple[Execution, list[str]]) -> None:
    ended, _ = undone
    shown = {stage.name: stage.status() for stage in execution.table(ended.history, "apply")}
    assert (shown["Network"], shown["Identity"], shown["Cluster"]) == ("created", "failed", "waiting")
    assert (shown["RecordFailure"], shown["DeleteNetwork"], shown["SweepData"]) == ("done", "deleted", "unchanged")


def test_failure_and_removal_are_one_record(provider: Provider, undone: tuple[Execution, list[str]], request_: Request) -> None:
    ended, _ = undone
    (row,) = [row for row in provider.past(request_) if row["execution"] == ended.arn]
    assert (row["status"], row["operation"]) == ("FAILED", "apply")
    assert json.loads(row["document"]) == ended.cause
    assert provider.holder(request_) is None


def test_one_event_tells_of_both(ear: Ear, undone: tuple[Execution, list[str]]) -> None:
    ended, _ = undone
    (event,) = ear.of(ended.arn)
    assert (event["status"], event["environment"], event["awsAccountID"]) == ("FAILED", "opa-undone", "222222222222")
    assert event["failure"] == ended.cause


@pytest.fixture(scope="module")
def kept(provider: Provider, undone: tuple[Execution, list[str]], request_: Request) -> Execution:
    """The same without onFailure."""
    assert undone
    return provider.run(request_)


def test_creation_that_fails_is_kept_unless_asked_for(kept: Execution) -> None:
    assert kept.status == "FAILED"
    assert kept.cause["leftBehind"] == "something"
    assert "EKS-ENV-opa-undone-Network CREATE_COMPLETE" in kept.cause["exists"]
    assert "undo" not in kept.cause


def test_what_was_there_before_is_never_removed(provider: Provider, world: World, kept: Execution, request_: Request) -> None:
    assert kept
    ended = provider.run(request_ | {"onFailure": "delete"})
    assert ended.cause["stage"] == "Identity"
    assert ended.cause["undo"]["status"] == "kept"
    assert "EKS-ENV-opa-undone-Network" in ended.cause["undo"]["why"]
    assert world.stacks("222222222222")["EKS-ENV-opa-undone-Network"]["StackStatus"] == "CREATE_COMPLETE"


def test_execution_that_is_stopped_removes_nothing_and_tells_of_it(provider: Provider, world: World, ear: Ear, kept: Execution, request_: Request) -> None:
    assert kept
    arn = provider.start(request_ | {"onFailure": "delete"})
    provider.states.stop_execution(executionArn=arn)
    assert provider.wait(arn).status == "ABORTED"
    (event,) = ear.of(arn)
    assert (event["status"], event["operation"], event["failure"]["leftBehind"]) == ("ABORTED", "apply", "something")
    assert event["failure"]["undo"]["status"] == "kept"
    assert eventually(lambda: [row for row in provider.past(request_) if row["execution"] == arn], "a record")
    assert world.stacks("222222222222")["EKS-ENV-opa-undone-Network"]["StackStatus"] == "CREATE_COMPLETE"


def test_removal_and_plan_are_told_of(provider: Provider, ear: Ear, kept: Execution, request_: Request) -> None:
    assert kept
    removed = provider.run(deletion(request_)).succeeded()
    (event,) = ear.of(removed.arn)
    assert (event["status"], event["operation"], event["result"]) == ("SUCCEEDED", "delete", removed.result)
    planned = provider.run(request_ | {"operation": "plan"})
    (event,) = ear.of(planned.arn)
    assert (event["status"], event["operation"]) == (planned.status, "plan")


def test_request_that_is_refused_is_told_of(provider: Provider, ear: Ear) -> None:
    refused = provider.run({"name": 1})
    (event,) = ear.of(refused.arn)
    assert (event["status"], event["failure"]["code"], event["failure"]["leftBehind"]) == ("FAILED", "InvalidRequest", "nothing")
    assert "environment" not in event


@pytest.mark.matrix
def test_creation_that_fails_late_is_removed(provider: Provider, world: World) -> None:
    """With a cluster, nodes and a kubectl function: everything that a removal has to do."""
    request = example("managed-nodes", name="late", cidr="10.65.0.0/24", onFailure="delete", chart={"version": "99.9.9"})
    before = beforehand(world)
    cause = provider.run(request).failed("InvalidRequest")
    assert (cause["stage"], cause["field"], cause["undo"]["status"], cause["leftBehind"]) == ("LoadBalancer", "/chart/version", "complete", "nothing")
    stacks = {line.removeprefix("stack EKS-ENV-opa-late-") for line in cause["undo"]["removed"] if line.startswith("stack ")}
    assert stacks == {"Kubectl", "AddonRoles", "Capacity", "Cluster", "Egress", "Network", "Identity"}
    assert traces(before, snapshot.take(world.layout)) == []
