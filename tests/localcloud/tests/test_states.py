"""Step Functions: what the project's state machine relies on."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import functions
import pytest
from conftest import Cloud, StackFailed, role, until

# Fails with the event's errors one after the other, then answers with the event.
_BODY = """
import os.path
path = os.path.join(os.environ["TMPDIR"], event["name"])
seen = int(open(path).read()) if os.path.exists(path) else 0
open(path, "w").write(str(seen + 1))
errors = event.get("errors", [])
if seen < len(errors):
    raise Failure(errors[seen], "attempt %d" % (seen + 1))
return {"attempts": seen + 1, "event": event}
"""


@pytest.fixture(scope="module")
def worker(cloud: Cloud) -> str:
    """A function that fails as its input says."""
    return functions.create(cloud, "worker", _BODY)


@pytest.fixture(scope="module")
def machine_role(cloud: Cloud, worker: str) -> str:
    """The role of the state machines."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": worker}
    policy = {"PolicyName": "invoke", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    cloud.deploy("machine-role", {"Role": role("states.amazonaws.com", RoleName="machine", Policies=[policy])})
    return "arn:aws:iam::111111111111:role/machine"


def run(cloud: Cloud, machine_role: str, name: str, states: dict[str, Any], execution_input: Any) -> dict[str, Any]:
    """Run a machine with these states, beginning at Start, and describe its execution when it is over."""
    client = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "Start", "States": states})
    arn = client.create_state_machine(name=name, definition=definition, roleArn=machine_role)["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=arn, name=f"{name}-1", input=json.dumps(execution_input))["executionArn"]
    until(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING")
    return client.describe_execution(executionArn=execution)


def task(worker: str, name: str, errors: list[str], **more: Any) -> dict[str, Any]:
    """A task with a bare function ARN, as the project's definition has it."""
    return {"Type": "Task", "Resource": worker, "Parameters": {"name": name, "errors": errors}, "End": True, **more}


RETRY = [{"ErrorEquals": ["InProgress", "Throttled"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5}]
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Record"}]
FAIL = {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"}


def test_parameters_from_the_context(cloud: Cloud, worker: str, machine_role: str) -> None:
    parameters = {
        "name": "context",
        "entered.$": "$$.State.EnteredTime",
        "input.$": "$$.Execution.Input",
        "id.$": "$$.Execution.Id",
        "execution.$": "$$.Execution.Name",
        "whole.$": "$",
    }
    states = {"Start": task(worker, "context", [], Parameters=parameters, ResultSelector={"event.$": "$.event"}, ResultPath="$.start")}
    execution = run(cloud, machine_role, "context", states, {"request": {"a": 1}})
    assert execution["status"] == "SUCCEEDED", execution
    output = json.loads(execution["output"])
    event = output["start"]["event"]
    assert output["request"] == {"a": 1}
    assert event["input"] == event["whole"] == {"request": {"a": 1}}
    assert event["id"] == execution["executionArn"]
    assert event["execution"] == "context-1"
    assert event["entered"].endswith("Z")


def test_retry_by_error_type(cloud: Cloud, worker: str, machine_role: str) -> None:
    states = {"Start": task(worker, "retry", ["InProgress", "Throttled"], Retry=RETRY)}
    execution = run(cloud, machine_role, "retry", states, {})
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"])["attempts"] == 3


def test_catch_and_fail_with_paths(cloud: Cloud, worker: str, machine_role: str) -> None:
    states = {
        "Start": task(worker, "caught", ["Conflict"], Retry=RETRY, Catch=CATCH),
        "Record": task(worker, "record", [], Parameters={"name": "record", "cause.$": "$.error"}, ResultPath="$.record", End=False)
        | {"Next": "Failed"},
        "Failed": FAIL,
    }
    del states["Record"]["End"]
    execution = run(cloud, machine_role, "caught", states, {"kept": True})
    assert (execution["status"], execution["error"]) == ("FAILED", "Conflict")
    assert json.loads(execution["cause"])["errorMessage"] == "attempt 1"


def test_failure_without_catch(cloud: Cloud, worker: str, machine_role: str) -> None:
    execution = run(cloud, machine_role, "uncaught", {"Start": task(worker, "uncaught", ["Broken"])}, {})
    assert (execution["status"], execution["error"]) == ("FAILED", "Broken")
    assert json.loads(execution["cause"]) == {"errorType": "Broken", "errorMessage": "attempt 1"}


def test_branches_that_catch_into_their_output(cloud: Cloud, worker: str, machine_role: str) -> None:
    def branch(name: str, errors: list[str]) -> dict[str, Any]:
        catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": f"{name}Failed"}]
        start = task(worker, f"branch-{name}", errors, Catch=catch, ResultPath=f"$.{name}")
        return {"StartAt": name, "States": {name: start, f"{name}Failed": {"Type": "Pass", "End": True}}}

    states = {
        "Start": {
            "Type": "Parallel",
            "Branches": [branch("left", []), branch("right", ["Broken"])],
            "ResultSelector": {"left.$": "$[0].left.attempts", "error.$": "$[1].error"},
            "ResultPath": "$.joined",
            "Next": "Check",
        },
        "Check": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.joined.error", "IsPresent": True, "Next": "Failed"}],
            "Default": "Done",
        },
        "Failed": {"Type": "Fail", "ErrorPath": "$.joined.error.Error", "CausePath": "$.joined.error.Cause"},
        "Done": {"Type": "Succeed"},
    }
    execution = run(cloud, machine_role, "branches", states, {"request": 1})
    assert (execution["status"], execution["error"]) == ("FAILED", "Broken"), execution


def test_branch_that_returns_one_section(cloud: Cloud, worker: str, machine_role: str) -> None:
    states = {"Start": task(worker, "one-section", [], ResultSelector={"section.$": "$"}, ResultPath="$")}
    execution = run(cloud, machine_role, "one-section", states, {"before": 1})
    output = json.loads(execution["output"])
    assert (list(output), output["section"]["attempts"]) == (["section"], 1)


def test_output_of_a_parallel_has_a_limit(cloud: Cloud, machine_role: str) -> None:
    branches = [{"StartAt": name, "States": {name: {"Type": "Pass", "End": True}}} for name in ("Left", "Right")]
    states = {"Start": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.branches", "End": True}}
    execution = run(cloud, machine_role, "limit", states, {"document": "x" * 100_000})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.DataLimitExceeded"), execution


def test_the_role_of_the_machine_is_needed(cloud: Cloud, worker: str) -> None:
    cloud.deploy("powerless", {"Role": role("states.amazonaws.com", RoleName="powerless")})
    states = {"Start": task(worker, "powerless", [])}
    execution = run(cloud, "arn:aws:iam::111111111111:role/powerless", "powerless", states, {})
    assert (execution["status"], execution["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    assert "not authorized to perform: lambda:InvokeFunction" in execution["cause"]


MISSING = {
    "parameter": {"Start": {"Type": "Pass", "Parameters": {"a": {"b.$": "$.missing"}}, "End": True}},
    "context": {"Start": {"Type": "Pass", "Parameters": {"a.$": "$$.Execution.Nme"}, "End": True}},
    "input path": {"Start": {"Type": "Pass", "InputPath": "$.missing", "End": True}},
    "variable": {
        "Start": {"Type": "Choice", "Choices": [{"Variable": "$.missing", "StringEquals": "x", "Next": "End"}], "Default": "End"},
        "End": {"Type": "Succeed"},
    },
}


@pytest.mark.parametrize("case", MISSING)
def test_a_path_that_leads_nowhere(cloud: Cloud, machine_role: str, case: str) -> None:
    execution = run(cloud, machine_role, f"missing-{case.replace(' ', '-')}", MISSING[case], {"present": None})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime"), execution


def test_a_path_that_leads_nowhere_is_not_caught(cloud: Cloud, worker: str, machine_role: str) -> None:
    states = {
        "Start": task(worker, "nowhere", [], Parameters={"a.$": "$.missing"}, Catch=CATCH),
        "Record": {"Type": "Succeed"},
    }
    assert run(cloud, machine_role, "nowhere", states, {})["error"] == "States.Runtime"


def test_null_is_present(cloud: Cloud, machine_role: str) -> None:
    states = {"Start": {"Type": "Pass", "Parameters": {"a.$": "$.present"}, "End": True}}
    execution = run(cloud, machine_role, "null", states, {"present": None})
    assert json.loads(execution["output"]) == {"a": None}


def test_the_same_execution_twice(cloud: Cloud, worker: str, machine_role: str) -> None:
    client = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "Start", "States": {"Start": {"Type": "Wait", "Seconds": 2, "End": True}}})
    arn = client.create_state_machine(name="twice", definition=definition, roleArn=machine_role)["stateMachineArn"]
    first = client.start_execution(stateMachineArn=arn, name="e", input="{}")
    assert client.start_execution(stateMachineArn=arn, name="e", input="{}")["executionArn"] == first["executionArn"]
    with pytest.raises(botocore.exceptions.ClientError, match="ExecutionAlreadyExists"):
        client.start_execution(stateMachineArn=arn, name="e", input='{"other": 1}')


DEFINITIONS = {
    "not JSON": "{",
    "no start": json.dumps({"StartAt": "A", "States": {"B": {"Type": "Succeed"}}}),
    "dangling next": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}),
    "no end": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}),
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_definitions_that_are_none(cloud: Cloud, machine_role: str, case: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="Invalid State Machine Definition"):
        cloud.client("stepfunctions").create_state_machine(name="none", definition=DEFINITIONS[case], roleArn=machine_role)


def test_definition_in_a_template(cloud: Cloud, machine_role: str) -> None:
    def machine(definition: str) -> dict[str, Any]:
        return {
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": machine_role, "DefinitionString": definition}}
        }

    with pytest.raises(StackFailed, match="MISSING_TRANSITION_TARGET"):
        cloud.deploy("machine-bad", machine(DEFINITIONS["dangling next"]))
    cloud.deploy("machine-good", machine(json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})))


def test_states_of_branches_are_in_the_history(cloud: Cloud, machine_role: str) -> None:
    def branch(name: str) -> dict[str, Any]:
        return {"StartAt": name, "States": {name: {"Type": "Pass", "Parameters": {"state.$": "$$.State.Name"}, "End": True}}}

    states = {"Start": {"Type": "Parallel", "Branches": [branch("Left"), branch("Right")], "End": True}}
    execution = run(cloud, machine_role, "history", states, {})
    assert json.loads(execution["output"]) == [{"state": "Left"}, {"state": "Right"}]
    events = cloud.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])["events"]
    entered = {e["stateEnteredEventDetails"]["name"] for e in events if e["type"] == "PassStateEntered"}
    assert entered == {"Left", "Right"}
