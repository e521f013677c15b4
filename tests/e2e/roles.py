"""Roles that tests make in the target account."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from e2e.world import World

LESSER = "opa-envprovisioning-role"
"""A name that the orchestrator may assume in target accounts, as it is deployed."""

_MODEL = "EKS-ENV-EnvironmentRole"


def trusting(principal: Any, **more: Any) -> str:
    """A trust policy."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextlib.contextmanager
def lesser_role(world: World, lacks: Callable[[dict[str, Any], str], bool]) -> Iterator[str]:
    """The ARN of an environment role that lacks some actions of the real one's statements."""
    iam = world.target("iam")
    trust = iam.get_role(RoleName=_MODEL)["Role"]["AssumeRolePolicyDocument"]
    arn = iam.create_role(RoleName=LESSER, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policies = iam.list_role_policies(RoleName=_MODEL)["PolicyNames"]
    for policy in policies:
        document = iam.get_role_policy(RoleName=_MODEL, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            kept = [action for action in _list(statement["Action"]) if not lacks(statement, action)]
            statement["Action"] = kept or ["sts:GetCallerIdentity"]
            statement["Resource"] = [resource.replace(_MODEL, LESSER) for resource in _list(statement["Resource"])]
        iam.put_role_policy(RoleName=LESSER, PolicyName=policy, PolicyDocument=json.dumps(document))
    try:
        yield arn
    finally:
        for policy in policies:
            iam.delete_role_policy(RoleName=LESSER, PolicyName=policy)
        iam.delete_role(RoleName=LESSER)


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
