"""IAM: the resources of calls that MiniStack checks against "*", where AWS names one.

The resource types are those of https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

import json
import urllib.parse

from ministack.core import iam_actions


def install() -> None:
    """Name the resource before MiniStack is asked."""
    original = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: dict, body: bytes, query: dict, region: str, account: str) -> str:
        found = _named(service, headers, body, f"{region}:{account}")
        return found or original(service, method, path, headers, body, query, region, account)

    iam_actions.extract_resource_arn = extract


def _named(service: str, headers: dict, body: bytes, here: str) -> str:
    match service, headers.get("x-amz-target", "").rpartition(".")[2]:
        case "ssm", "GetParametersByPath":
            return f"arn:aws:ssm:{here}:parameter/{json.loads(body)['Path'].strip('/')}"
        case "ssm", "GetParameters":
            return f"arn:aws:ssm:{here}:parameter/{json.loads(body)['Names'][0].strip('/')}"
        case "logs", "DescribeLogGroups":
            return f"arn:aws:logs:{here}:log-group::log-stream:"
        case "iam", _ if b"Action=SimulatePrincipalPolicy" in body:
            return urllib.parse.parse_qs(body.decode()).get("PolicySourceArn", ["*"])[0]
    return ""
