"""Requests that were not delivered are put on the bus again, with the commands of docs/troubleshooting.md."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from demo import deploy
from demo.cloud import ROOT, Cloud
from e2e.provider import Provider
from e2e.world import eventually


def script(queue: str) -> str:
    """The commands as they are documented, with the queue filled in."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "troubleshooting.md").read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "put-events" in block]
    return found.replace("<DeadLetterQueueUrl>", queue)


@pytest.mark.skipif(not shutil.which("jq"), reason="the documented commands need jq, which is not installed")
def test_undelivered_request_is_delivered_by_the_documented_commands(cloud: Cloud, provider: Provider) -> None:
    stack = cloud.client("cloudformation").describe_stacks(StackName=deploy.STACK)["Stacks"][0]
    (queue,) = [o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "DeadLetterQueueUrl"]
    sqs, before = cloud.client("sqs"), provider.executions()
    detail: dict[str, Any] = {"name": 'not a "name"', "prefix": "opa"}
    event = {"source": "harmonix.environment", "detail-type": "EKS Environment Requested", "detail": detail, "resources": []}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event))

    # Version 1 of the AWS CLI takes AWS_ENDPOINT_URL for every service but SQS.
    local = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
    environment = cloud.environment() | {"PATH": f"{pathlib.Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", local + script(queue)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    (arn,) = eventually(lambda: provider.executions() - before, "an execution for the event")
    execution = provider.wait(arn)
    assert json.loads(execution.description["input"]) == detail
    assert execution.failed("InvalidRequest")["stage"] == "Preflight"
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
