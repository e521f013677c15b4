"""What must come of a fault: how many attempts, and which end.

The numbers are written out, not read from the definition: see docs/architecture.md for their reasons.
A new state fails `test_every_state_is_in_the_table` until it has a row in IN_PROGRESS and in EACH_STATE, and one in
OPERATION if it does not lie on the way of an apply.
"""

from __future__ import annotations

import dataclasses
import json

from localcloud.proxy import Answer, Cut, Delay, Disturbance, Kill

THROTTLED, TRANSIENT, LAMBDA, ONCE = 126, 41, 7, 1
"""Attempts until the state gives up; ONCE is an error that is not retried."""

IN_PROGRESS = {
    "Preflight": ONCE,
    "Lock": 231,
    "Bootstrap": 41,
    "Network": 61,
    "Identity": 61,
    "Cluster": 201,
    "Egress": 61,
    "DeployKubectl": 61,
    "Access": 61,
    "Capacity": 201,
    "AddonRoles": 41,
    "Logging": 41,
    "ClusterDNS": 61,
    "LoadBalancer": 61,
    "Verify": 21,
    "Register": 41,
    "Complete": ONCE,
    "Plan": ONCE,
    "Survey": 151,
    "Drain": 81,
    "DeleteKubectl": 231,
    "DeleteAddonRoles": 41,
    "DeleteCapacity": 201,
    "DeleteCluster": 201,
    "DeleteEgress": 81,
    "SweepNetwork": 231,
    "DeleteNetwork": 81,
    "DeleteIdentity": 41,
    "SweepData": 41,
    "DeleteProvider": 41,
    "CompleteDelete": ONCE,
    "RecordFailure": 721,
}
"""Attempts of each state while it is told InProgress."""

_REMOVING = (
    "Survey", "Drain", "DeleteKubectl", "DeleteAddonRoles", "DeleteCapacity", "DeleteCluster", "DeleteEgress",
    "SweepNetwork", "DeleteNetwork", "DeleteIdentity", "SweepData", "DeleteProvider", "CompleteDelete",
)  # fmt: skip

OPERATION = {"Plan": "plan"} | dict.fromkeys(_REMOVING, "delete")
"""What has to be asked for to come to a state, unless it is `apply`. A removal is played on environments that are not there."""

GIVEN, LATE = 4, 6
"""Seconds that a Task is given, and by which an answer then comes too late."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that happens to the invocations of one state."""

    name: str
    disturbance: Disturbance
    attempts: int
    """How often the state is called if it happens for ever; 0: as IN_PROGRESS says."""
    error: str
    """The error that the execution then ends with; empty: it succeeds all the same."""
    said: str = ""
    """What the cause then says of it."""
    timeout: int = 0
    """Seconds that the state is given, instead of the definition's."""
    alone: bool = False
    """Whether it would hit other executions as well."""


def _thrown(code: str, attempts: int) -> Fault:
    """A stage's own error, as internal/stage sends it."""
    cause = {"stage": "<state>", "code": code, "message": f"{code} was thrown", "next": "take the test away"}
    return Fault(code, Answer(code, json.dumps(cause)), attempts, code, f"{code} was thrown")


def _lambdas(error: str, attempts: int = LAMBDA) -> Fault:
    """An error of Lambda itself."""
    return Fault(error, Answer(error, "thrown by a test"), attempts, "Internal", error)


FAULTS = {
    fault.name: fault
    for fault in (
        *(_thrown(code, ONCE) for code in ("InvalidRequest", "PreflightFailed", "Conflict", "AccessDenied", "QuotaExceeded", "Failed", "Internal")),
        _thrown("InProgress", 0),
        _thrown("Throttled", THROTTLED),
        _thrown("Transient", TRANSIENT),
        _lambdas("Lambda.TooManyRequestsException", THROTTLED),
        *(_lambdas(f"Lambda.{error}") for error in ("ServiceException", "AWSLambdaException", "SdkClientException", "Unknown")),
        _lambdas("Lambda.ClientExecutionTimeoutException"),
        _lambdas("Sandbox.Timedout"),
        _lambdas("Runtime.ExitError"),
        # No state names it: the catch-all has it.
        _lambdas("Something.Unheard", ONCE),
        Fault("slow", Delay(0.5), ONCE, ""),
        Fault("late", Delay(LATE), LAMBDA, "Internal", "States.Timeout", timeout=GIVEN),
        Fault("refused", Cut(made=False), LAMBDA, "Internal", "Lambda.SdkClientException"),
        Fault("cut", Cut(made=True), LAMBDA, "Internal", "Lambda.SdkClientException"),
        Fault("killed", Kill(), LAMBDA, "Internal", "Runtime.ExitError", alone=True),
    )
}

EACH_STATE = {
    "Preflight": ("InvalidRequest", False),
    "Lock": ("cut", True),
    "Bootstrap": ("Lambda.ServiceException", True),
    "Network": ("Transient", True),
    "Identity": ("QuotaExceeded", False),
    "Cluster": ("InProgress", False),
    "Egress": ("AccessDenied", False),
    "DeployKubectl": ("Lambda.TooManyRequestsException", False),
    "Access": ("killed", True),
    "Capacity": ("Failed", False),
    "AddonRoles": ("Throttled", False),
    "Logging": ("Internal", False),
    "ClusterDNS": ("late", True),
    "LoadBalancer": ("Transient", False),
    "Verify": ("slow", True),
    "Register": ("Conflict", False),
    "Complete": ("cut", False),
    "Plan": ("Failed", False),
    "Survey": ("PreflightFailed", False),
    "Drain": ("InProgress", False),
    "DeleteKubectl": ("Sandbox.Timedout", True),
    "DeleteAddonRoles": ("Throttled", True),
    "DeleteCapacity": ("Failed", False),
    "DeleteCluster": ("AccessDenied", False),
    "DeleteEgress": ("refused", True),
    "SweepNetwork": ("Transient", False),
    "DeleteNetwork": ("Conflict", False),
    "DeleteIdentity": ("cut", True),
    "SweepData": ("Lambda.Unknown", False),
    "DeleteProvider": ("Internal", False),
    "CompleteDelete": ("killed", True),
    "RecordFailure": ("Failed", False),
}
"""For the short run, one fault at each state, once (True) or for ever; together every kind of fault and of end."""
