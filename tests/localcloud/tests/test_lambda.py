"""Lambda: functions see their own layers, and nothing of the host."""

from __future__ import annotations

import json

import functions
from conftest import Cloud


def test_layers_and_environment(cloud: Cloud) -> None:
    layer = cloud.client("lambda").publish_layer_version(
        LayerName="kubectl", Content={"ZipFile": functions.archive({"kubectl/kubectl": "#!/bin/sh\necho from the layer\n"})}
    )
    body = """
import subprocess
run = subprocess.run([os.environ["KUBECTL_PATH"]], capture_output=True, text=True).stdout if "KUBECTL_PATH" in os.environ else ""
return {"env": dict(os.environ), "run": run}
"""
    variables = {"Variables": {"GIVEN": "value"}}
    functions.create(cloud, "with-layer", body, Layers=[layer["LayerVersionArn"]], Environment=variables)
    functions.create(cloud, "without-layer", body)
    answer = functions.invoke(cloud, "with-layer", {})
    assert answer["run"] == "from the layer\n"
    env = answer["env"]
    assert env["GIVEN"] == "value"
    assert env["AWS_ENDPOINT_URL"] == cloud.env["AWS_ENDPOINT_URL"]
    assert env["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert env["AWS_REGION"] == "us-east-1"
    foreign = {n for n in env if n.startswith(("LOCALCLOUD", "MINISTACK", "GATEWAY", "SECRET_OF", "PYTHONPATH", "HOME"))}
    assert not foreign
    assert "KUBECTL_PATH" not in functions.invoke(cloud, "without-layer", {})["env"]


def test_process_that_ends_before_its_first_event_is_an_exit(cloud: Cloud) -> None:
    functions.create(cloud, "ends", "return None")
    client = cloud.client("lambda")
    client.update_function_code(FunctionName="ends", ZipFile=functions.archive({"bootstrap": "#!/bin/sh\nkill -9 $$\n"}))
    answer = client.invoke(FunctionName="ends", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "Runtime.ExitError"
