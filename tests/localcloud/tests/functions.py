"""Lambda functions for tests: a custom runtime in Python, so that no build is needed."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import Any

from conftest import Cloud, role, until

_BOOTSTRAP = """#!{python}
import json, os, urllib.request

def handler(event):
    {body}

class Failure(Exception):
    def __init__(self, kind, message):
        self.kind, self.message = kind, message

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    try:
        path, answer = "/response", handler(event)
    except Failure as failure:
        path, answer = "/error", {{"errorType": failure.kind, "errorMessage": failure.message}}
    urllib.request.urlopen(urllib.request.Request(base + request + path, data=json.dumps(answer).encode())).close()
"""


def archive(files: dict[str, str]) -> bytes:
    """A zip with executable files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as contents:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            contents.writestr(entry, text)
    return buffer.getvalue()


def create(cloud: Cloud, name: str, body: str, **settings: Any) -> str:
    """Create a function whose handler has the body given, and return its ARN."""
    cloud.deploy(f"{name}-role", {"Role": role("lambda.amazonaws.com", RoleName=f"{name}-role")})
    code = archive({"bootstrap": _BOOTSTRAP.format(python=sys.executable, body=body.strip().replace("\n", "\n    "))})
    functions = cloud.client("lambda")
    arn = functions.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=f"arn:aws:iam::111111111111:role/{name}-role",
        Code={"ZipFile": code},
        Timeout=10,
        **settings,
    )["FunctionArn"]
    until(lambda: functions.get_function_configuration(FunctionName=name)["State"] == "Active")
    return arn


def invoke(cloud: Cloud, name: str, event: Any) -> Any:
    """The function's answer."""
    response = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    answer = json.load(response["Payload"])
    assert "FunctionError" not in response, answer
    return answer
