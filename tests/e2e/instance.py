"""Local clouds of a test run: started, filled and ended."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from demo import deploy
from demo.cloud import Cloud


@contextlib.contextmanager
def running(directory: pathlib.Path, **settings: str) -> Iterator[Cloud]:
    """A local cloud that ends with the block, however that ends."""
    with _environment(**settings):
        cloud = Cloud.start(directory)
    try:
        yield cloud
    finally:
        cloud.stop()


@contextlib.contextmanager
def _environment(**settings: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def copy(source: Cloud, to: Cloud) -> None:
    """Deploys what `sam deploy` has packaged for one local cloud into another one."""
    of, into = source.client("cloudformation"), to.client("cloudformation")
    stack = of.describe_stacks(StackName=deploy.STACK)["Stacks"][0]
    template = of.get_template(StackName=deploy.STACK, TemplateStage="Original")["TemplateBody"]
    if not isinstance(template, str):
        raise ValueError("the template of the orchestrator came back as an object")
    download, upload = source.client("s3"), to.client("s3")
    for bucket in [b["Name"] for b in download.list_buckets()["Buckets"]]:
        upload.create_bucket(Bucket=bucket)
        for entry in download.list_objects_v2(Bucket=bucket).get("Contents", []):
            body = download.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            upload.put_object(Bucket=bucket, Key=entry["Key"], Body=body)
    parameters: list[dict[str, Any]] = [{"ParameterKey": p["ParameterKey"], "ParameterValue": p["ParameterValue"]} for p in stack.get("Parameters", [])]
    # As `sam deploy` does: a template of this size is not taken in a call itself.
    bucket = next(b["Name"] for b in upload.list_buckets()["Buckets"])
    upload.put_object(Bucket=bucket, Key="orchestrator.template", Body=template.encode())
    into.create_stack(
        StackName=deploy.STACK,
        TemplateURL=f"{to.settings['AWS_ENDPOINT_URL']}/{bucket}/orchestrator.template",
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    into.get_waiter("stack_create_complete").wait(StackName=deploy.STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
