"""Service Quotas, which MiniStack lacks: GetServiceQuota and GetAWSDefaultServiceQuota.

The data file has AWS' default values (https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html) and, where
tests make more than those in one account, a larger applied one. As on AWS, a quota that was never raised has no
applied value. A test sets others with localcloud.limits.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any

import ministack.app
from ministack.core import iam_actions, router
from ministack.core.responses import get_account_id, get_region

from localcloud import limits
from localcloud.layout import Layout
from localcloud.settings import Settings

_TARGET = "ServiceQuotasV20190624"


@functools.cache
def _quotas() -> dict[str, dict[str, Any]]:
    file = importlib.resources.files("localcloud.extension") / "data" / "service-quotas.json"
    return {f"{q['service']}/{q['code']}": q for q in json.loads(file.read_text(encoding="utf-8"))}


def install(settings: Settings) -> None:
    """Add the service: its handler, how a request is recognized, and the names of its actions."""

    async def handle(method: str, path: str, headers: dict, body: bytes, query: dict) -> Any:
        return _answer(settings.layout, headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or b"{}"))

    ministack.app.SERVICE_HANDLERS["servicequotas"] = handle
    router.SERVICE_PATTERNS["servicequotas"] = {"target_prefixes": [_TARGET], "host_patterns": [r"servicequotas\."]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE["servicequotas"] = "servicequotas"


def _answer(layout: Layout, action: str, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    key = f"{request.get('ServiceCode')}/{request.get('QuotaCode')}"
    quota = _quotas().get(key)
    if action not in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        return _response(400, {"__type": "InvalidAction", "Message": f"local cloud: {action} is not known"})
    value = None
    if quota:
        applied = limits.read(layout).get("quotas", {}).get(key, quota.get("applied"))
        value = quota["default"] if action == "GetAWSDefaultServiceQuota" else applied
    if quota is None or value is None:
        return _response(400, {"__type": "NoSuchResourceException", "Message": f"The specified quota {key} does not exist."})
    arn = f"arn:aws:servicequotas:{get_region()}:{get_account_id()}:{key}"
    return _response(
        200,
        {
            "Quota": {
                "ServiceCode": quota["service"],
                "QuotaCode": quota["code"],
                "QuotaName": quota["name"],
                "QuotaArn": arn,
                "Value": float(value),
                "Unit": "None",
                "Adjustable": True,
                "GlobalQuota": False,
            }
        },
    )


def _response(status: int, content: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()
