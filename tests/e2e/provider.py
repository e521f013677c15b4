"""The orchestrator as its users see it: executions, and the table of locks and history."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from typing import Any

from demo import deploy, execution
from demo.cloud import ROOT, Cloud

Request = dict[str, Any]

STAGES = [
    "Lock",
    "Bootstrap",
    "Network",
    "Identity",
    "Cluster",
    "Egress",
    "DeployKubectl",
    "Access",
    "Capacity",
    "AddonRoles",
    "Logging",
    "ClusterDNS",
    "LoadBalancer",
    "Verify",
    "Register",
]
"""The stages of an apply, in the order in which its result lists them."""

_PATIENCE = 150.0
_PAUSE = 0.25
"""Looking more often was a third of all that the local cloud had to answer."""


def example(name: str, /, **changes: Any) -> Request:
    """A request of docs/examples, with fields changed; None takes a field out."""
    request = json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text()) | changes
    return {field: value for field, value in request.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Execution:
    """An execution that has ended."""

    arn: str
    description: dict[str, Any]
    history: list[dict[str, Any]]

    @property
    def status(self) -> str:
        """SUCCEEDED, FAILED, ABORTED or TIMED_OUT."""
        return self.description["status"]

    @property
    def error(self) -> str:
        """The name of the error, as the console shows it."""
        return self.description["error"]

    @functools.cached_property
    def cause(self) -> dict[str, Any]:
        """The cause document."""
        return json.loads(self.description["cause"])

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        """The result document."""
        return json.loads(self.description["output"])

    @property
    def faults(self) -> list[dict[str, str]]:
        """What failed attempts of Task states said, retried ones included, oldest first."""
        # AWS tells of a function by a name of its own, where the local cloud tells of any task.
        details = ("lambdaFunctionFailedEventDetails", "taskFailedEventDetails")
        return [event[detail] for event in self.history for detail in details if detail in event]

    def succeeded(self) -> Execution:
        """This execution, if it succeeded."""
        assert self.status == "SUCCEEDED", f"{self.description.get('error')}: {self.description.get('cause')}"
        return self

    def failed(self, error: str) -> dict[str, Any]:
        """The cause document, if it failed with this error."""
        shown = self.description.get("cause") or self.description.get("output")
        assert (self.status, self.description.get("error")) == ("FAILED", error), shown
        assert self.cause["code"] == error
        return self.cause

    def outputs(self, state: str) -> dict[str, Any]:
        """What a state put out."""
        for event in self.history:
            detail = event.get("stateExitedEventDetails", {})
            if detail.get("name") == state:
                return json.loads(detail["output"])
        raise AssertionError(f"{state} did not end in {self.arn}")


@dataclasses.dataclass(frozen=True)
class Environment:
    """An environment that was made from a request."""

    request: Request
    execution: Execution

    @property
    def result(self) -> dict[str, Any]:
        """The result document."""
        return self.execution.result

    @property
    def prefix(self) -> str:
        """First part of its name."""
        return self.request["prefix"]

    @property
    def name(self) -> str:
        """Second part of its name."""
        return self.request["name"]

    @property
    def region(self) -> str:
        """Where it is."""
        return self.request["awsRegion"]

    @property
    def account(self) -> str:
        """Whose it is."""
        return self.request["awsAccountID"]

    def fill(self, document: Any) -> Any:
        """A fixture with <prefix>, <name>, <account> and <region> filled in."""
        values = {"prefix": self.prefix, "name": self.name, "account": self.account, "region": self.region}
        return fill(document, **values)


def fill(document: Any, **values: str) -> Any:
    """A document with <key> replaced by its value in every string."""
    if isinstance(document, dict):
        return {fill(k, **values): fill(v, **values) for k, v in document.items()}
    if isinstance(document, list):
        return [fill(v, **values) for v in document]
    if isinstance(document, str):
        for key, value in values.items():
            document = document.replace(f"<{key}>", value)
    return document


def fixture(name: str) -> Any:
    """A document transcribed from the Harmonix contract."""
    return json.loads((ROOT / "tests" / "e2e" / "fixtures" / f"{name}.json").read_text())


class Provider:
    """The deployed orchestrator."""

    def __init__(self, cloud: Cloud, machine: str, table: str) -> None:
        self.machine = machine
        self.states = cloud.client("stepfunctions")
        self._table = table
        self._dynamodb = cloud.client("dynamodb")

    @classmethod
    def of(cls, cloud: Cloud) -> Provider:
        """Finds it by the outputs of its stack."""
        stack = cloud.client("cloudformation").describe_stacks(StackName=deploy.STACK)["Stacks"][0]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        return cls(cloud, outputs["StateMachineArn"], outputs["Table"])

    def start(self, request: Any) -> str:
        """Starts an execution, as a user does; returns its ARN."""
        return self.states.start_execution(stateMachineArn=self.machine, input=json.dumps(request))["executionArn"]

    def wait(self, arn: str, patience: float = _PATIENCE) -> Execution:
        """The execution once it has ended."""
        end = time.monotonic() + patience
        while (description := self.states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, f"{arn} runs for more than {patience:.0f} s"
            time.sleep(_PAUSE)
        return Execution(arn, description, execution.events(self.states, arn))

    def run(self, request: Any) -> Execution:
        """Runs a request to its end."""
        return self.wait(self.start(request))

    def executions(self) -> set[str]:
        """The ARNs of all executions."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return {e["executionArn"] for page in pages for e in page["executions"]}

    def rows(self, request: Request) -> list[dict[str, str]]:
        """The rows of an environment in the table, as plain dictionaries, in the order of their keys."""
        environment = f"{request['awsAccountID']}/{request['awsRegion']}/{request['prefix']}-{request['name']}"
        items = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="id = :id",
            ExpressionAttributeValues={":id": {"S": environment}},
            ConsistentRead=True,
        )["Items"]
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in items]

    def holder(self, request: Request) -> str | None:
        """The execution that holds the environment's lock."""
        return next((row["owner"] for row in self.rows(request) if row["sort"] == "lock"), None)

    def leave_lock(self, request: Request, owner: str) -> None:
        """Writes a lock as an execution leaves it that could not give it back."""
        environment = f"{request['awsAccountID']}/{request['awsRegion']}/{request['prefix']}-{request['name']}"
        item = {"id": environment, "sort": "lock", "owner": owner, "since": "2026-11-22T00:00:00Z"}
        self._dynamodb.put_item(TableName=self._table, Item={name: {"S": value} for name, value in item.items()})

    def past(self, request: Request) -> list[dict[str, str]]:
        """The environment's history, oldest first."""
        return [row for row in self.rows(request) if row["sort"] != "lock"]
