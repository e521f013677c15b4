"""Global condition keys that MiniStack gives another value than AWS."""

from __future__ import annotations

import re

from ministack.core import iam_evaluator

_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")


def principal_arn(arn: str) -> str:
    """aws:PrincipalArn of a principal: of a role's session it is the role's ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    The role's path is not in the session's ARN; roles with a path are not told apart from those without.
    """
    session = _SESSION.fullmatch(arn)
    return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}" if session else arn


def install() -> None:
    """Bind the keys.

    aws:SecureTransport is true: AWS is reached by TLS, and bucket policies (SAM's, and that of our
    artifact bucket) refuse everything else. The loopback endpoint has no TLS and stands for it.
    """
    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: iam_evaluator.EvalContext) -> object:
        match key.lower():
            case "aws:securetransport":
                return "true"
            case "aws:principalarn":
                return principal_arn(context.principal_arn)
        return resolve(key, context)

    iam_evaluator._resolve_condition_key = resolved
