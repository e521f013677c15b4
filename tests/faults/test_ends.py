"""Executions that end before their time, and branches that fail beside others at work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.provider import Execution, Request, example
from e2e.world import World, eventually
from faults.scenario import Stage, of_state
from localcloud.proxy import Answer, Delay, Proxy, Rule

EXTENT = 3
"""Seconds that a machine is given where it times out."""

STOPPED_AT = {
    "apply": ("Preflight", "Lock", "Network", "Cluster", "Access", "Logging", "Register"),
    "delete": ("Survey", "DeleteCluster", "SweepData"),
}
"""A removal is stopped on an environment that is not there."""


def record(stage: Stage, request: Request, arn: str) -> dict[str, Any]:
    """The row of an execution, with its document read, once it is there."""

    def rows() -> list[dict[str, str]]:
        return [row for row in stage.provider.past(request) if row["execution"] == arn]

    (row,) = eventually(rows, f"a record of {arn}")
    return {**row, "document": json.loads(row["document"])}


@pytest.fixture
def hurried(first: Stage) -> Iterator[None]:
    """The deployed machine with little time. The rule on its executions is for this machine only."""
    definition = first.client.describe_state_machine(stateMachineArn=first.machine)["definition"]
    brief = json.dumps({**json.loads(definition), "TimeoutSeconds": EXTENT})
    first.client.update_state_machine(stateMachineArn=first.machine, definition=brief)
    try:
        yield
    finally:
        first.client.update_state_machine(stateMachineArn=first.machine, definition=definition)


def test_execution_that_times_out_is_recorded(undisturbed: dict[str, Execution], first: Stage, proxy: Proxy, hurried: None) -> None:
    assert undisturbed
    request = example("fargate")
    rule = Rule(of_state("Network", "timed-out"), Delay(EXTENT + 3))
    proxy.add(rule)
    try:
        ended = first.wait(first.start(request, "timed-out"))
    finally:
        proxy.remove(rule)
    assert ended.status == "TIMED_OUT"
    row = record(first, request, ended.arn)
    assert row["status"] == "FAILED"
    assert row["document"]["message"] == "the execution ran longer than the state machine allows"
    assert eventually(lambda: first.provider.holder(request) is None, "the lock's release")


def test_second_interpreter_times_out_as_well(undisturbed: dict[str, Execution], second: Stage, proxy: Proxy) -> None:
    assert undisturbed
    machine = second.client.describe_state_machine(stateMachineArn=second.machine)
    brief = second.client.create_state_machine(
        name="brief", definition=json.dumps({**json.loads(machine["definition"]), "TimeoutSeconds": EXTENT}), roleArn=machine["roleArn"]
    )["stateMachineArn"]
    rule = Rule(of_state("Preflight", "brief"), Delay(EXTENT + 3))
    proxy.add(rule)
    try:
        assert second.wait(second.start(example("fargate"), "brief", brief)).status == "TIMED_OUT"
    finally:
        proxy.remove(rule)


@pytest.mark.parametrize("operation", STOPPED_AT)
def test_execution_stopped_at_a_state_is_recorded_and_followed(undisturbed: dict[str, Execution], first: Stage, proxy: Proxy, operation: str) -> None:
    assert undisturbed
    request = example("managed-nodes", **({"name": "no-nodes", "operation": "delete"} if operation == "delete" else {}))
    for state in STOPPED_AT[operation]:
        name = f"stopped-at-{state}"
        rule = Rule(of_state(state, name), Delay(1))
        proxy.add(rule)
        try:
            arn = first.start(request, name)
            eventually(lambda rule=rule: rule.seen, f"a call of {state}")
            first.client.stop_execution(executionArn=arn, error="Stopped", cause="a test")
            assert first.wait(arn).status == "ABORTED"
        finally:
            proxy.remove(rule)
        row = record(first, request, arn)
        assert (row["status"], row["document"]["message"]) == ("FAILED", "the execution was stopped by a user"), state
        # At Lock the call may still be on its way when the recorder has been: the next execution takes the lock.
        assert state == "Lock" or eventually(lambda: first.provider.holder(request) is None, "the lock's release")
        calls, _ = rule.seen, time.sleep(1.2)
        assert rule.seen == calls, f"{state} is called after the end"
    first.run(request, f"after-stops-of-{operation}").succeeded()
    assert first.provider.holder(request) is None


@pytest.mark.parametrize(("state", "sibling"), [("Identity", "Network"), ("Egress", "Cluster")])
def test_failing_branch_waits_for_its_siblings(undisturbed: dict[str, Execution], first: Stage, proxy: Proxy, world: World, state: str, sibling: str) -> None:
    """The sibling's stack has only been begun when the branch fails; it is at rest when the failure is recorded."""
    assert undisturbed
    request = example("fargate", name=f"beside-{sibling.lower()}", cidr="10.70.0.0/24")
    name = f"beside-{sibling}"
    rule = Rule(of_state(state, name), Answer("Failed", json.dumps({"stage": state, "code": "Failed", "message": "thrown"})))
    proxy.add(rule)
    try:
        ended = first.wait(first.start(request, name))
    finally:
        proxy.remove(rule)
    cause = ended.failed("Failed")
    assert cause["stage"] == state
    stack = f"EKS-ENV-opa-{request['name']}-{sibling}"
    assert f"{stack} CREATE_COMPLETE" in cause["exists"]
    assert world.stacks("222222222222")[stack]["StackStatus"] == "CREATE_COMPLETE"
    assert not [line for line in cause["exists"] if "IN_PROGRESS" in line]
    assert record(first, request, ended.arn)["status"] == "FAILED"
    assert first.provider.holder(request) is None
