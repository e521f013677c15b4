"""One execution with one fault, and what it has to come to."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import time
from typing import Any

from demo import execution
from e2e.provider import Execution, Provider, Request
from faults import definition
from faults.table import FAULTS, IN_PROGRESS, Fault
from localcloud.proxy import Answer, Call, Proxy, Rule

_PATIENCE = 240.0
_PAUSE = 0.1
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A fault at a state, the first time it is called or every time."""

    state: str
    fault: str
    once: bool

    def __str__(self) -> str:
        return f"{self.state}-{self.fault}-{'once' if self.once else 'ever'}"

    @property
    def what(self) -> Fault:
        """The fault's row of the table."""
        return FAULTS[self.fault]

    @property
    def attempts(self) -> int:
        """How often the state is called."""
        ever = self.what.attempts or IN_PROGRESS[self.state]
        return min(ever, 2) if self.once else ever

    @property
    def error(self) -> str:
        """What its failure is called; empty if there is none."""
        ever = self.what.attempts or IN_PROGRESS[self.state]
        return "" if self.once and ever > 1 else self.what.error


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How an execution of a scenario ended."""

    execution: Execution
    calls: int
    """Invocations of the scenario's state."""
    began: float
    """Unix time."""


def entered(ended: Execution) -> list[str]:
    """The states that were entered, in their order."""
    return [e["stateEnteredEventDetails"]["name"] for e in ended.history if "stateEnteredEventDetails" in e]


def path(ended: Execution) -> list[str]:
    """The states that were entered, in an order that does not depend on which branch was faster."""
    return sorted(entered(ended))


def expected_path(scenario: Scenario, undisturbed: list[str]) -> list[str]:
    """The states of an execution with the fault, from those of one without."""
    if scenario.state == "RecordFailure":
        # Something else has to fail first.
        before = expected_path(Scenario(OTHER, "Failed", False), undisturbed)
        # Nobody asks what is to be done after a failure that could not be recorded.
        return sorted("FailedUnrecorded" if scenario.error and state == "Failed" else state for state in before if not (scenario.error and state == "Recorded"))
    if not scenario.error:
        return sorted(undisturbed)
    task = definition.tasks()[scenario.state]
    if task.parallel is None or task.join is None:
        before = undisturbed[: undisturbed.index(task.name) + 1]
        return sorted([*before, "RecordFailure", "Recorded", "Failed"])
    before = [s for s in undisturbed[: undisturbed.index(task.join) + 1] if s not in task.later]
    return sorted([*before, f"{task.name}Failed", "RecordFailure", "Recorded", "Failed"])


OTHER = "Access"
"""The state that fails where only RecordFailure is looked at."""


def named(body: bytes, execution: str) -> bool:
    """Whether an invocation's payload is of an execution."""
    return re.search(rb'"name":\s*"' + re.escape(execution.encode()) + b'"', body) is not None


def of_state(state: str, execution: str) -> Any:
    """Matches the invocations by a state of an execution."""
    task = definition.tasks()[state]

    def matches(call: Call) -> bool:
        if call.action != "Invoke" or f"-{task.function}-" not in call.target or not named(call.body, execution):
            return False
        return not task.stage or json.loads(call.body)["stage"] == task.stage

    return matches


class Stage:
    """Where scenarios are played: an interpreter with its machine, behind the proxy."""

    def __init__(self, provider: Provider, proxy: Proxy, client: Any, machine: str, patience: float = _PATIENCE) -> None:
        self.provider, self.proxy = provider, proxy
        self.client, self.machine = client, machine
        self._patience = patience

    def start(self, request: Request, name: str, machine: str = "") -> str:
        """Starts an execution of that name; returns its ARN."""
        return self.client.start_execution(stateMachineArn=machine or self.machine, name=name, input=json.dumps(request))["executionArn"]

    def wait(self, arn: str) -> Execution:
        """The execution once it has ended."""
        end = time.monotonic() + self._patience
        while (description := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, f"{arn} runs for more than {self._patience:.0f} s"
            time.sleep(_PAUSE)
        return Execution(arn, description, execution.events(self.client, arn))

    def run(self, request: Request, name: str) -> Execution:
        """Runs a request to its end."""
        return self.wait(self.start(request, f"{name}-{next(_numbers)}"))

    def play(self, scenario: Scenario, request: Request) -> Outcome:
        """Runs a request with a scenario's fault."""
        name, fault, began = f"{str(scenario)[:60]}-{next(_numbers)}", scenario.what, time.time()
        disturbance = fault.disturbance
        if isinstance(disturbance, Answer):
            disturbance = dataclasses.replace(disturbance, message=disturbance.message.replace("<state>", scenario.state))
        rule = Rule(of_state(scenario.state, name), disturbance, times=1 if scenario.once else None)
        rules = [rule]
        if scenario.state == "RecordFailure":
            rules.append(Rule(of_state(OTHER, name), Answer("Failed", "thrown so that there is a failure to record")))
        self.proxy.add(*rules)
        try:
            ended = self.wait(self.start(request, name, self._given(scenario.state, fault.timeout)))
        finally:
            self.proxy.remove(*rules)
        return Outcome(ended, rule.seen, began)

    def _given(self, state: str, seconds: int) -> str:
        """The machine, or one that gives a state so many seconds."""
        if not seconds:
            return self.machine
        machine = self.client.describe_state_machine(stateMachineArn=self.machine)
        return self.client.create_state_machine(
            name=f"{state}-{seconds}-{next(_numbers)}",
            definition=definition.timed(machine["definition"], state, seconds),
            roleArn=machine["roleArn"],
        )["stateMachineArn"]
