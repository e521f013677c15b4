"""Step Functions: invocations of functions by way of a proxy.

MiniStack's interpreter calls functions within its own process. A test that disturbs such calls, or
has them answered by functions in containers, sends them over HTTP, as AWS does.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ministack.services import lambda_svc, stepfunctions

from localcloud.settings import Settings

KEY = "ak"
"""The access key that interpreters sign with, the one of the second interpreter. The proxy knows it."""

_PATIENCE = 960


def install(settings: Settings) -> None:
    """Bind the interpreter's invocation anew, if there is a proxy."""
    if settings.invoke_url:
        stepfunctions._call_lambda = _invocation(settings.invoke_url)


def _invocation(url: str) -> Any:
    def invoke(reference: str, event: Any) -> Any:
        _, config, name = lambda_svc._get_func_record_for_ref(reference)
        if not config:
            raise stepfunctions._ExecutionError("Lambda.ResourceNotFoundException", f"Function not found: {name}")
        return call(url, config["FunctionArn"], event)

    return invoke


def call(url: str, arn: str, event: Any) -> Any:
    """The function's result; its error is the task's, as its own name."""
    region = arn.split(":")[3]
    scope = f"{KEY}/20261122/{region}/lambda/aws4_request"
    request = urllib.request.Request(
        f"{url}/2015-03-31/functions/{urllib.parse.quote(arn, safe='')}/invocations",
        data=json.dumps(event).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            failed, body = response.headers.get("X-Amz-Function-Error"), json.loads(response.read() or "null")
    except urllib.error.HTTPError as error:
        kind = error.headers.get("X-Amzn-ErrorType", "ServiceException").partition(":")[0]
        raise stepfunctions._ExecutionError(f"Lambda.{kind}", error.read().decode(errors="replace")) from error
    except (OSError, http.client.HTTPException) as error:
        raise stepfunctions._ExecutionError("Lambda.SdkClientException", f"Unable to execute HTTP request: {error}") from error
    if failed:
        raise stepfunctions._ExecutionError(body.get("errorType", "Lambda.Unknown"), json.dumps(body))
    return body
