"""One execution at a time works on an environment."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo import deploy
from demo.cloud import Cloud
from e2e.provider import Environment, Provider, Request, example
from e2e.world import World, eventually


def test_two_at_once_are_one_success_and_one_conflict(provider: Provider, examples: dict[str, Environment]) -> None:
    request = examples["private-api"].request
    executions = [provider.wait(arn) for arn in [provider.start(request), provider.start(request)]]
    first, second = sorted(executions, key=lambda e: e.status == "FAILED")
    first.succeeded()
    cause = second.failed("Conflict")
    assert cause["stage"] == "Lock"
    assert first.arn in cause["message"]
    assert cause["holder"] == first.arn
    assert "opa-production" in cause["message"]
    assert first.arn in cause["next"]
    # The one that was refused has not taken the other's lock away, nor left its own.
    assert provider.holder(request) is None


def test_different_environments_do_not_wait_for_each_other(provider: Provider, examples: dict[str, Environment]) -> None:
    started = [provider.start(examples[name].request) for name in ("fargate", "managed-nodes", "other-region")]
    for arn in started:
        provider.wait(arn).succeeded()


def test_stopped_execution_is_recorded_and_its_lock_released(provider: Provider, world: World) -> None:
    request = example("fargate", name="halted", cidr="10.51.0.0/24")
    stopped = _stop_at_work(provider, world, request)
    # A rule on the executions' status calls the recorder.
    (row,) = eventually(lambda: provider.past(request), "a record of the stopped execution")
    assert (row["status"], row["execution"]) == ("FAILED", stopped)
    document = json.loads(row["document"])
    assert document["message"] == "the execution was stopped by a user"
    assert any(line.startswith("EKS-ENV-opa-halted-Network ") for line in document["exists"])
    assert eventually(lambda: provider.holder(request) is None, "the lock's release")
    # Rows are in the order of their executions' start.
    start = provider.states.describe_execution(executionArn=stopped)["startDate"].astimezone(datetime.UTC)
    assert row["sort"].startswith(f"execution#{start:%Y-%m-%dT%H:%M:%S}")


def test_lock_that_nobody_released_is_taken_by_the_next(cloud: Cloud, provider: Provider, world: World) -> None:
    request = example("fargate", name="stopped", cidr="10.50.0.0/24")
    events = cloud.client("events")
    with _without_recorder(events):
        stopped = _stop_at_work(provider, world, request)
        assert provider.holder(request) == stopped
        # Its stacks may still be moving: the next execution joins them.
        following = provider.run(request).succeeded()
    assert following.outputs("Lock")["lock"]["takenFrom"] == stopped
    assert following.result["environment"] == "opa-stopped"
    assert provider.holder(request) is None


@contextlib.contextmanager
def _without_recorder(events: Any) -> Iterator[None]:
    """Disables the rule that calls the recorder for stopped executions, as if it never came."""
    rules = [r["Name"] for r in events.list_rules(NamePrefix=deploy.STACK)["Rules"] if "aws.states" in r["EventPattern"]]
    assert rules
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        yield
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)


def _stop_at_work(provider: Provider, world: World, request: Request) -> str:
    """Starts a request and stops it as soon as the first stack of the environment is there."""
    arn = provider.start(request)
    network = f"EKS-ENV-{request['prefix']}-{request['name']}-Network"
    eventually(lambda: network in world.stacks(request["awsAccountID"]), f"stack {network}")
    provider.states.stop_execution(executionArn=arn, error="Stopped", cause="a test")
    assert provider.wait(arn).status == "ABORTED"
    return arn


# FAILED is for what the machine cannot catch itself.
@pytest.mark.parametrize(("status", "recorded"), [("SUCCEEDED", False), ("RUNNING", False), ("FAILED", True), ("ABORTED", True), ("TIMED_OUT", True)])
def test_rule_is_for_executions_that_ended_badly(cloud: Cloud, provider: Provider, status: str, recorded: bool) -> None:
    events = cloud.client("events")
    detail = {"status": status, "stateMachineArn": provider.machine}
    event = {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": detail,
        "id": "1",
        "account": "111111111111",
        "time": "2026-11-22T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
    }
    patterns = [rule["EventPattern"] for rule in events.list_rules(NamePrefix=deploy.STACK)["Rules"]]
    assert patterns
    assert any(events.test_event_pattern(EventPattern=p, Event=json.dumps(event))["Result"] for p in patterns) is recorded
