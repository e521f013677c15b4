"""Harmonix deletes the provider stack (harmonix-contract.md, section 6), and the whole environment goes.

The backend assumes the operations role and calls DeleteStack with the stack's name and nothing else; it does not wait.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud import Cloud
from e2e.harmonix import Backend
from e2e.provider import Environment, Execution, Provider, Request, example
from e2e.removal import beforehand, traces
from e2e.world import World, eventually
from localcloud import snapshot

STACK = "EKS-ENV-opa-unprovided-Stack"
HOOK = "EKS-ENV-DeleteHook"


@dataclasses.dataclass(frozen=True)
class Deletion:
    """What the deletions of one provider stack came to."""

    request: Request
    stack: str
    before: snapshot.Snapshot
    refused: list[str]
    """Why the stack was not deleted while an apply was at work, and by which execution."""
    repaired: Execution
    """That apply, which found the stack half deleted."""
    first: str
    """The stack's status when the hook had given up waiting."""
    again: str
    """Its status after the second DeleteStack."""
    events: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    log: list[str]
    after: snapshot.Snapshot


@contextlib.contextmanager
def impatient(world: World, seconds: int) -> Iterator[None]:
    """The hook hands over after so many seconds instead of ten minutes, and gives up after five times that."""
    functions = world.target("lambda")
    functions.update_function_configuration(FunctionName=HOOK, Environment={"Variables": {"WINDOW_SECONDS": str(seconds)}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=HOOK, Environment={"Variables": {}})


def delete(backend: Backend) -> None:
    """Deletes the stack as Harmonix does."""
    backend.client("cloudformation").delete_stack(StackName=STACK)


def rest(world: World, stack: str) -> str:
    """The stack's status once it is at rest."""
    client = world.target("cloudformation")

    def status() -> str:
        said = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return "" if said.endswith("_IN_PROGRESS") else said

    return eventually(status, f"the end of {stack}", seconds=90)


@pytest.fixture(scope="module")
def deletion(cloud: Cloud, provider: Provider, world: World) -> Deletion:
    """A Fargate environment whose provider stack is deleted: under an apply, by a hook with little time, then once more."""
    request = example("fargate", name="unprovided", cidr="10.71.0.0/24")
    before = beforehand(world)
    environment = Environment(request, provider.run(request).succeeded())
    backend = Backend(cloud, environment)
    cloudformation = world.target("cloudformation")

    def current() -> str:
        return cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackId"]

    stack, apply = current(), provider.start(request)
    eventually(lambda: provider.holder(request) == apply, "the apply's lock")
    delete(backend)
    # Before the apply makes the stack anew: the emulator forgets the old one then.
    refused = [apply, *eventually(lambda: reasons(cloudformation, stack), "the refusal")]
    repaired = provider.wait(apply)
    stack = current()
    with impatient(world, 1):
        delete(backend)
        eventually(lambda: deletions(cloud, provider, "RUNNING"), "the deletion's execution")
        delete(backend)  # while it is being deleted: nothing more happens
        first = rest(world, stack)
    delete(backend)
    again = rest(world, stack)
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return Deletion(request, stack, before, refused, repaired, first, again, events, deletions(cloud, provider), log(world), snapshot.take(world.layout))


def reasons(cloudformation: Any, stack: str) -> list[str]:
    """Why the environment was not deleted with its stack."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "DELETE_FAILED" and e["LogicalResourceId"] == "Environment"]


def deletions(cloud: Cloud, provider: Provider, status: str = "") -> list[dict[str, Any]]:
    """The executions that the hook has started for the environment, the newest first."""
    listed = cloud.client("stepfunctions").list_executions(stateMachineArn=provider.machine)["executions"]
    found = [e for e in listed if e["name"].startswith("delete-opa-unprovided-") and status in ("", e["status"])]
    return sorted(found, key=lambda e: e["startDate"], reverse=True)


def log(world: World) -> list[str]:
    """The hook's log lines about the environment."""
    events = world.target("logs").filter_log_events(logGroupName=f"/aws/lambda/{HOOK}")["events"]
    lines = [line for event in events for line in event["message"].splitlines()]
    return [line for line in lines if "message=deletion" in line and "environment=opa-unprovided" in line]


def test_apply_is_not_disturbed(deletion: Deletion) -> None:
    apply, *reasons = deletion.refused
    (reason,) = reasons
    assert reason.startswith("Conflict: ")
    assert apply in reason
    # The apply makes the stack anew that was to be deleted, and the old one takes nothing with it.
    result = deletion.repaired.succeeded().result
    assert [s["stage"] for s in result["stages"] if s["change"] not in ("unchanged", "verified")] == ["Register"]


def test_hook_answers_in_time_that_the_deletion_goes_on(deletion: Deletion) -> None:
    assert deletion.first == "DELETE_FAILED"
    reason = next(e["ResourceStatusReason"] for e in deletion.events if e["ResourceStatus"] == "DELETE_FAILED" and e["LogicalResourceId"] == "Environment")
    assert "still being deleted by execution" in reason
    assert "Delete the stack again" in reason
    assert deletion.executions[0]["executionArn"] in reason


def test_second_deletion_joins_the_first_and_everything_goes(deletion: Deletion) -> None:
    assert deletion.again == "DELETE_COMPLETE"
    # The first was in the apply's way.
    assert [e["status"] for e in deletion.executions] == ["SUCCEEDED", "FAILED"]


def test_hook_handed_over_to_itself(deletion: Deletion) -> None:
    invocations = [int(re.search(r"invocation=(\d)", line)[1]) for line in deletion.log]
    # One that the apply was in the way of, one for the apply's own deletion of the stack, then those with little time.
    assert invocations[2:7] == [1, 2, 3, 4, 5]
    assert "outcome=gone" in deletion.log[-1]


def test_nothing_is_left(deletion: Deletion) -> None:
    assert traces(deletion.before, deletion.after) == []


def test_execution_ended_before_the_stack_and_did_not_wait_for_it(provider: Provider, deletion: Deletion) -> None:
    assert provider.holder(deletion.request) is None
    assert provider.past(deletion.request)[-1]["operation"] == "delete"
    assert provider.past(deletion.request)[-1]["status"] == "SUCCEEDED"
    ended = deletion.executions[0]["stopDate"].timestamp()
    gone = next(e["Timestamp"].timestamp() for e in deletion.events if e["ResourceStatus"] == "DELETE_COMPLETE" and e["PhysicalResourceId"] == deletion.stack)
    assert ended < gone


def test_each_request_was_answered_once_and_no_secret_is_in_the_log(cloud: Cloud, world: World, deletion: Deletion) -> None:
    events = world.target("logs").filter_log_events(logGroupName=f"/aws/lambda/{HOOK}")["events"]
    text = "\n".join(event["message"] for event in events)
    assert "cfn-response" not in text
    assert deletion.log
    assert deletion.request["externalId"] not in text
    assert "CFN ResponseURL PUT for unknown token" not in (cloud.directory / "run" / "ministack.log").read_text()
    execution = deletion.executions[0]
    said = cloud.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])["input"]
    assert "cfn-response" not in said
