"""iam:SimulatePrincipalPolicy as the call itself would be decided.

MiniStack's own takes the first resource only, no condition keys, and every principal for a user.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam


def install() -> None:
    """Answer the call for roles; users are MiniStack's."""
    original = iam._IAM_HANDLERS["SimulatePrincipalPolicy"]

    def simulate(p: dict[str, Any]) -> Any:
        role = iam._p(p, "PolicySourceArn")
        if ":role/" not in role:
            return original(p)
        if iam._roles.get(role.rpartition("/")[2]) is None:
            return iam._error(404, "NoSuchEntity", f"The role with name {role.rpartition('/')[2]} cannot be found.", ns="iam")
        members = "".join(
            _member(action, resource, _decision(role, action, resource, _context(p)))
            for action in _list(p, "ActionNames")
            for resource in _list(p, "ResourceArns") or ["*"]
        )
        content = f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
        return iam._xml(
            200, "SimulatePrincipalPolicyResponse", f"<SimulatePrincipalPolicyResult>{content}</SimulatePrincipalPolicyResult>", ns="iam"
        )

    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate


def _decision(role: str, action: str, resource: str, context: dict[str, Any]) -> str:
    asked = iam_evaluator.EvalContext(role, "AssumedRole", get_account_id(), action, resource, get_region(), service_context=context)
    policies = iam_evaluator._gather_role_policies(role.rpartition("/")[2], get_account_id())
    decided = iam_evaluator.evaluate(asked, policies).decision if policies else "ImplicitDeny"
    return {"Allow": "allowed", "Deny": "explicitDeny"}.get(decided, "implicitDeny")


def _list(p: dict[str, Any], name: str) -> list[str]:
    values: list[str] = []
    while value := iam._p(p, f"{name}.member.{len(values) + 1}"):
        values.append(value)
    return values


def _context(p: dict[str, Any]) -> dict[str, Any]:
    """The condition keys of the request, in lower case as the evaluator has them."""
    context, number = {}, 1
    while key := iam._p(p, f"ContextEntries.member.{number}.ContextKeyName"):
        context[key.lower()] = iam._p(p, f"ContextEntries.member.{number}.ContextKeyValues.member.1")
        number += 1
    return context


def _member(action: str, resource: str, decision: str) -> str:
    return (
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
        f"<EvalDecision>{decision}</EvalDecision></member>"
    )
