"""Rights that MiniStack leaves unchecked: iam:PassRole, trust in services, a state machine's own role.

MiniStack evaluates the policies of whoever signed a request. What AWS checks besides is done
here with the same evaluator, on the same policies.
"""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import detect_service, extract_access_key_id
from ministack.services import iam

# Calls that hand a role to a service: where the role is in the request, and which service gets it.
_PASSING = {
    "cloudformation:CreateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:UpdateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:DeleteStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:CreateChangeSet": ("RoleARN", "cloudformation.amazonaws.com"),
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "states:CreateStateMachine": ("roleArn", "states.amazonaws.com"),
    "states:UpdateStateMachine": ("roleArn", "states.amazonaws.com"),
    "eks:CreateCluster": ("roleArn", "eks.amazonaws.com"),
}


def install() -> None:
    """Refuse requests that hand over a role the caller may not pass or the service cannot assume."""
    dispatch = ministack.app._dispatch_service_request

    async def guarded(method: str, path: str, headers: dict, body: bytes, query: dict, request_id: str) -> Any:
        routing = ministack.app._routing_params(method, path, headers, body, query)
        service = detect_service(method, path, headers, routing)
        action = iam_actions.extract_iam_action(service, method, path, headers, body, routing)
        if action in _PASSING:
            name, receiver = _PASSING[action]
            role = _parameter(name, body)
            if role:
                refusal = _refusal(service, action, role, receiver, headers, query, request_id)
                if refusal:
                    return refusal
        return await dispatch(method, path, headers, body, query, request_id)

    ministack.app._dispatch_service_request = guarded


def role_allows(role_arn: str, action: str, resource: str) -> bool:
    """Whether a role's own policies allow an action on a resource."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    context = iam_evaluator.EvalContext(role_arn, "AssumedRole", account, action, resource, get_region())
    return iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account)).decision == "Allow"


def can_be_assumed_by(role_arn: str, service: str) -> bool:
    """Whether the role exists and its trust policy names the service."""
    role = iam._roles.get_scoped(role_arn.split(":")[4], None, role_arn.rpartition("/")[2])
    if role is None or role["Arn"] != role_arn:
        return False
    document = role.get("AssumeRolePolicyDocument") or "{}"
    document = json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        trusted = (statement.get("Principal") or {}).get("Service", []) if isinstance(statement.get("Principal"), dict) else []
        if statement.get("Effect") == "Allow" and service in ([trusted] if isinstance(trusted, str) else trusted):
            return True
    return False


def _refusal(service: str, action: str, role: str, receiver: str, headers: dict, query: dict, request_id: str) -> Any:
    principal = iam_evaluator.resolve_principal(extract_access_key_id(headers, query) or "", get_account_id())
    if isinstance(principal, iam_evaluator.AuthError) or principal.policies is None:
        return None  # refused by MiniStack itself; or root
    context = iam_evaluator.EvalContext(
        principal.arn,
        principal.type,
        principal.account,
        "iam:PassRole",
        role,
        get_region(),
        service_context={"iam:passedtoservice": receiver},
        principal_keys=principal.keys,
    )
    if iam_evaluator.evaluate(context, principal.policies, *principal.limits).decision != "Allow":
        return iam_actions.access_denied_response(service, "iam:PassRole", principal.arn, request_id, headers=headers, resource_arn=role)
    if not can_be_assumed_by(role, receiver):
        return _cannot_be_assumed(service, action, role)
    return None


def _cannot_be_assumed(service: str, action: str, role: str) -> Any:
    if service == "cloudformation":
        from ministack.services.cloudformation.helpers import _error

        return _error("ValidationError", f"Role {role} is invalid or cannot be assumed")
    text = {
        "lambda": "The role defined for the function cannot be assumed by Lambda.",
        "eks": f"Role with arn: {role}, could not be assumed because it does not exist or the trusted entity is not correct",
        "states": f"The service principal states.amazonaws.com is not authorized to assume the provided role: {role}",
    }[action.partition(":")[0]]
    body = json.dumps({"__type": "InvalidParameterValueException", "message": text, "Message": text}).encode()
    return 400, {"Content-Type": "application/json", "x-amzn-errortype": "InvalidParameterValueException"}, body


def _parameter(name: str, body: bytes) -> str:
    """A parameter of a query or JSON request."""
    text = body.decode(errors="replace")
    if text.lstrip().startswith("{"):
        value = json.loads(text).get(name, "")
        return value if isinstance(value, str) else ""
    return urllib.parse.parse_qs(text).get(name, [""])[0]
