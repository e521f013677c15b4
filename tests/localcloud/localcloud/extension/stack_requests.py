"""CloudFormation's requests: the service role is kept and shown, a name or token is used once, and change sets know conditions."""

from __future__ import annotations

import functools
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine
from ministack.services.cloudformation.handlers import _resolve_stack
from ministack.services.cloudformation.helpers import _error, _p, _xml

_roles: dict[tuple[str, str, str], str] = {}
_tokens: dict[tuple[str, str, str, str], str] = {}


def install() -> None:
    """Wrap the requests that MiniStack answers more leniently than AWS."""
    handlers = cloudformation._ACTION_HANDLERS
    handlers["CreateStack"] = _created(handlers["CreateStack"])
    for action in ("UpdateStack", "CreateChangeSet"):
        handlers[action] = _with_role(handlers[action])
    handlers["DeleteStack"] = _deleted(handlers["DeleteStack"])
    handlers["DescribeStacks"] = _described(handlers["DescribeStacks"])
    handlers["DescribeChangeSet"] = _by_name(handlers["DescribeChangeSet"])
    changesets._resolve_props_for_diff = _existing(changesets._resolve_props_for_diff)


def role_of(stack: str) -> str:
    """The service role of a stack, or nothing."""
    return _roles.get(_scope(stack), "")


def _created(original: Any) -> Any:
    @functools.wraps(original)
    def create(params: dict[str, Any]) -> Any:
        name, token = _p(params, "StackName"), _p(params, "ClientRequestToken")
        stack = cloudformation._stacks.get(name)
        if stack and stack["StackStatus"] != "DELETE_COMPLETE":
            if token and _tokens.get((*_scope(name), token)) == stack["StackId"]:
                # The same request again, as a client that lost the answer sends it.
                return _xml(200, "CreateStackResponse", f"<CreateStackResult><StackId>{stack['StackId']}</StackId></CreateStackResult>")
            return _error("AlreadyExistsException", f"Stack [{name}] already exists")
        response = original(params)
        if response[0] < 400:
            _roles.pop(_scope(name), None)
            _keep_role(params, name)
            _tokens[(*_scope(name), token)] = cloudformation._stacks[name]["StackId"]
        return response

    return create


def _deleted(original: Any) -> Any:
    """A stack that is being deleted is not deleted once more beside that."""

    @functools.wraps(original)
    def delete(params: dict[str, Any]) -> Any:
        stack = _resolve_stack(_p(params, "StackName"))
        if stack and stack["StackStatus"] == "DELETE_IN_PROGRESS":
            return _xml(200, "DeleteStackResponse", "")
        return original(params)

    return delete


def _with_role(original: Any) -> Any:
    @functools.wraps(original)
    def request(params: dict[str, Any]) -> Any:
        response = original(params)
        if response[0] < 400:
            name = _p(params, "StackName")
            _keep_role(params, name.split("/")[1] if name.startswith("arn:") else name)
        return response

    return request


def _existing(original: Any) -> Any:
    """A change set compares the resources that there are: one whose condition is false is none."""

    @functools.wraps(original)
    def resolve(template: dict[str, Any], params: dict[str, Any], *rest: Any) -> dict[str, Any]:
        resolved = original(template, params, *rest)
        if resolved:
            conditions = engine._evaluate_conditions(template, params)
            resources = resolved["Resources"].items()
            resolved["Resources"] = {name: r for name, r in resources if conditions.get(r.get("Condition"), True)}
        return resolved

    return resolve


def _by_name(original: Any) -> Any:
    """A stack may be named by its id, which MiniStack looks up in the other requests only."""

    @functools.wraps(original)
    def request(params: dict[str, Any]) -> Any:
        stack = _p(params, "StackName")
        if stack.startswith("arn:"):
            params = params | {"StackName": [stack.split("/")[1]]}
        return original(params)

    return request


def _described(original: Any) -> Any:
    @functools.wraps(original)
    def describe(params: dict[str, Any]) -> Any:
        status, headers, body = original(params)
        text = body.decode() if isinstance(body, bytes) else body
        for (account, region, name), role in _roles.items():
            stack = cloudformation._stacks.get(name)
            if (account, region) == (get_account_id(), get_region()) and stack:
                shown = f"<StackId>{stack['StackId']}</StackId>"
                text = text.replace(shown, f"{shown}<RoleARN>{role}</RoleARN>")
        return status, headers, text.encode() if isinstance(body, bytes) else text

    return describe


def _keep_role(params: dict[str, Any], name: str) -> None:
    """The role is sticky: later operations without one use it too."""
    if _p(params, "RoleARN"):
        _roles[_scope(name)] = _p(params, "RoleARN")


def _scope(name: str) -> tuple[str, str, str]:
    return get_account_id(), get_region(), name
