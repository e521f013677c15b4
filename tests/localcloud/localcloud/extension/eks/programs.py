"""What the program of a pod would do at its start, for pods that are held back until it works.

Only the AWS Load Balancer Controller is known: it must be told this cluster, its region and its VPC,
and its service account must lead to a role that it may assume and that may look at load balancers.
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import eks, iam

from localcloud.extension import rights
from localcloud.extension.eks.control_plane import Key

_LABEL = "localcloud.gate"
_NEEDED = ("elasticloadbalancing:DescribeLoadBalancers", "ec2:DescribeVpcs")


def problem(key: Key, pod: dict[str, Any]) -> str:
    """The last line of the program's output, empty if it works."""
    if pod["metadata"]["labels"][_LABEL] != "aws-load-balancer-controller":
        return ""
    account, region, name = key
    cluster = eks._clusters.get_scoped(account, region, name)
    if cluster is None:
        return f"cluster {name} does not exist"
    container = pod["spec"]["containers"][0]
    arguments = dict(a.removeprefix("--").partition("=")[::2] for a in container.get("args") or [])
    vpc = cluster["resourcesVpcConfig"]["vpcId"]
    for flag, wanted in (("cluster-name", name), ("aws-region", region), ("aws-vpc-id", vpc)):
        if flag not in arguments:
            return f"--{flag} is missing, and EC2 instance metadata is not available to find it out"
        if arguments[flag] != wanted:
            return f"--{flag}={arguments[flag]}, but the cluster's is {wanted}"
    role = next((v.get("value", "") for v in container.get("env") or [] if v["name"] == "AWS_ROLE_ARN"), "")
    if not role:
        return "no AWS credentials: the service account had no eks.amazonaws.com/role-arn when the pod was created"
    return _refusal(role, cluster, account, region, f"{pod['metadata']['namespace']}:{pod['spec']['serviceAccountName']}")


def _refusal(role: str, cluster: dict[str, Any], account: str, region: str, service_account: str) -> str:
    """Why AssumeRoleWithWebIdentity or the first calls after it fail."""
    parts = role.split(":")
    record = iam._roles.get_scoped(parts[4], None, role.rpartition("/")[2]) if len(parts) == 6 else None
    if record is None or record["Arn"] != role:
        return f"AssumeRoleWithWebIdentity: AccessDenied: {role} does not exist"
    issuer = cluster["identity"]["oidc"]["issuer"].removeprefix("https://")
    provider = f"arn:aws:iam::{parts[4]}:oidc-provider/{issuer}"
    known = iam._oidc_providers.get_scoped(parts[4], None, provider)
    if known is None:
        return f"AssumeRoleWithWebIdentity: InvalidIdentityToken: No OpenIDConnect provider found in your account for https://{issuer}"
    if "sts.amazonaws.com" not in known["ClientIDList"]:
        return "AssumeRoleWithWebIdentity: InvalidIdentityToken: Incorrect token audience"
    context = iam_evaluator.EvalContext(
        principal_arn=provider,
        principal_type="WebIdentityUser",
        principal_account=parts[4],
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn=role,
        region=region,
        service_context={f"{issuer}:aud".lower(): "sts.amazonaws.com", f"{issuer}:sub".lower(): f"system:serviceaccount:{service_account}"},
    )
    if not iam_evaluator.evaluate_trust_policy(record["AssumeRolePolicyDocument"], provider, context):
        return f"AssumeRoleWithWebIdentity: AccessDenied: {role} does not trust system:serviceaccount:{service_account} of https://{issuer}"
    for action in _NEEDED:
        if not rights.role_allows(role, action, "*"):
            return f"{role} is not authorized to perform: {action}"
    return ""
