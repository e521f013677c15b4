"""What a deletion may leave behind, and how it is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from e2e.provider import Execution, Provider, Request
from e2e.world import World
from localcloud import snapshot

LIVES = {
    "fargate": {"name": "removed", "cidr": "10.70.0.0/24"},
    "managed-nodes": {"name": "cleared", "cidr": "10.71.0.0/24"},
}
"""The examples that are made and removed, and what is changed in them."""

_SHARED = ("EKS-ENV-Bootstrap", "eks-env-artifacts-", "EKS-ENV-CloudFormation-", "EKS-ENV-DeleteHook")
"""What all environments of the account and region share, and what outlives them."""


@dataclasses.dataclass(frozen=True)
class Life:
    """Environments from before they were made until after they were removed, by the example's name."""

    requests: dict[str, Request]
    removed: dict[str, Execution]
    before: snapshot.Snapshot
    after: snapshot.Snapshot


def beforehand(world: World) -> snapshot.Snapshot:
    """The local cloud before something is made in it, with what MiniStack makes when it is first looked at."""
    world.target("ec2").describe_vpcs()  # the region's default VPC
    world.cloud.client("events").list_event_buses()  # the default bus
    return snapshot.take(world.layout)


def together(provider: Provider, requests: list[Request]) -> list[Execution]:
    """Executions that run side by side."""
    return [provider.wait(arn) for arn in [provider.start(request) for request in requests]]


def deletion(request: Request) -> Request:
    """The request to remove what a request has made."""
    return request | {"operation": "delete"}


def traces(before: snapshot.Snapshot, after: snapshot.Snapshot) -> list[str]:
    """What removed environments have left behind and may not."""
    kept = {key: value for key, value in after.items() if not may_stay(key, value)}
    lines = snapshot.differences({key: value for key, value in before.items() if not may_stay(key, value)}, kept)
    return [line for line in lines if not any(name in line for name in _SHARED)]


def may_stay(key: str, value: Any) -> bool:
    """Whether an entry of a snapshot outlives an environment, on AWS or only in MiniStack."""
    store = key.partition("/")[0]
    match store:
        # The orchestrator's history.
        case "dynamodb._tables":
            return "/eks-environment-provider-Table-" in key
        # KMS deletes a key after some days.
        case "kms._keys":
            return value["KeyState"] == "PendingDeletion"
        # As on AWS, a deleted stack is remembered for a while, and so are its events.
        case "cloudformation._stacks":
            return value["StackStatus"] == "DELETE_COMPLETE"
        case "cloudformation._stack_events":
            return True
        # As on AWS, the numbers of a layer's versions are not used again.
        case "lambda_svc._layers":
            return value["versions"] == []
        # Every account has this bus; MiniStack makes it when the first event is sent.
        case "eventbridge._event_buses":
            return key.endswith("/default")
        # MiniStack counts the roles that an AWS managed policy is attached to.
        case "iam._aws_managed_attachment_counts":
            return value == 0
        # MiniStack keeps the tags of what is gone; nothing can be read by them.
        case "dynamodb._tags" | "ec2._tags":
            return True
    return False
