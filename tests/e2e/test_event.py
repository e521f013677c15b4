"""An event on the default bus starts an execution; one that makes no sense ends in a failure that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.cloud import Cloud
from e2e.provider import Environment, Execution, Provider
from e2e.world import eventually


def send(cloud: Cloud, provider: Provider, detail: Any) -> Execution:
    """Sends an event as docs say and returns the execution that it started, ended."""
    before = provider.executions()
    entry = {
        "Source": "harmonix.environment",
        "DetailType": "EKS Environment Requested",
        "Detail": json.dumps(detail),
    }
    answer = cloud.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    (started,) = eventually(lambda: provider.executions() - before, "an execution for the event")
    return provider.wait(started)


def test_event_starts_an_execution_with_its_detail(cloud: Cloud, provider: Provider, fargate: Environment) -> None:
    execution = send(cloud, provider, fargate.request).succeeded()
    assert json.loads(execution.description["input"]) == fargate.request
    assert execution.result["environment"] == "opa-development"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        pytest.param({}, ["/name", "/prefix", "/awsAccountID", "/nodeType"], id="no fields"),
        pytest.param({"environment": "development", "account": 222222222222}, ["/environment", "/account", "/name"], id="other fields"),
    ],
)
def test_malformed_event_ends_in_a_failure_that_says_why(cloud: Cloud, provider: Provider, detail: Any, expected: list[str]) -> None:
    cause = send(cloud, provider, detail).failed("InvalidRequest")
    assert cause["stage"] == "Preflight"
    assert "nothing was created" in cause["message"]
    assert [pointer for pointer in expected if f"\n- {pointer}: " not in cause["message"]] == []


def test_other_events_start_nothing(cloud: Cloud, provider: Provider, fargate: Environment) -> None:
    before = provider.executions()
    detail = json.dumps(fargate.request)
    entries = [
        {"Source": "harmonix.other", "DetailType": "EKS Environment Requested", "Detail": detail},
        {"Source": "harmonix.environment", "DetailType": "Something else", "Detail": detail},
    ]
    cloud.client("events").put_events(Entries=entries)
    # Events arrive in order: when the third has started its execution, the others have started none.
    send_after = send(cloud, provider, {})
    assert provider.executions() - before == {send_after.arn}
