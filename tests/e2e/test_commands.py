"""kubectl commands through an environment's function, and what is left of a request: nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

from demo.cloud import ROOT, Cloud
from e2e.harmonix import Answer, Backend
from e2e.provider import Environment
from e2e.world import World

SCRIPT = ROOT / "bin" / "kubectl-env"
BLOCK = re.compile(r"(?ms)^<!-- function -->\n+```json\n(.*?)^```$")


class Function:
    """The kubectl function of the Fargate example, invoked by the backend's role."""

    def __init__(self, cloud: Cloud, environment: Environment) -> None:
        self._role, self._environment = Backend(cloud, environment), environment

    def invoke(self, payload: dict[str, Any]) -> Answer:
        """Its answer to a payload."""
        return self._role.invoke(self._environment.result["kubectl"]["functionArn"], payload)

    def run(self, *command: str) -> dict[str, Any]:
        """Its answer to a command as the cluster's administrator."""
        answer = self.invoke(self.command(*command))
        assert not answer.error, answer.body
        return answer.body

    def command(self, *command: str) -> dict[str, Any]:
        """The payload of a command."""
        return self.common() | {"Command": list(command)}

    def common(self) -> dict[str, Any]:
        """What every request names."""
        outputs = self._environment.result["outputs"]
        return {"ClusterName": self._environment.result["cluster"]["name"], "RoleArn": outputs["ClusterAdminRoleDirectARN"]}

    def write(self, kind: str, **properties: Any) -> Answer:
        """Its answer to a request of the CDK's protocol."""
        event = {"RequestType": "Create", "ResourceType": f"Custom::AWSCDK-EKS-{kind}", "ResourceProperties": self.common() | properties}
        return self.invoke(event)


@pytest.fixture(scope="module")
def function(cloud: Cloud, fargate: Environment) -> Function:
    return Function(cloud, fargate)


def test_command_answers_what_kubectl_says(function: Function) -> None:
    answer = function.run("get", "pods", "-A", "-o", "wide")
    assert (answer["ExitCode"], answer["Stderr"], answer["Truncated"]) == (0, "", False)
    assert answer["Stdout"].startswith("NAMESPACE") and "coredns" in answer["Stdout"]
    assert function.run("get", "pod", "nothing")["ExitCode"] == 1


def test_kubectl_is_the_one_of_the_deployed_layer(function: Function, world: World) -> None:
    deployed = world.target("lambda").get_function(FunctionName="EKS-ENV-opa-development-kubectl")["Configuration"]
    assert deployed["Environment"]["Variables"]["KUBECTL_MINOR"] == "1.36"
    answer = function.run("version", "--client", "-o", "json")
    assert json.loads(answer["Stdout"])["clientVersion"]["gitVersion"] == answer["Version"]["Kubectl"]
    assert answer["Version"] == {"Kubectl": "v1.36.3", "Server": "v1.36.3"}
    assert "Warnings" not in answer


def test_commands_that_do_more_are_refused(function: Function) -> None:
    for command in (["delete", "pods", "--all"], ["get", "pods", "--server=https://evil.example"], ["get", "-f", "/proc/self/environ"]):
        answer = function.invoke(function.command(*command))
        assert answer.error and answer.body["errorType"] == "InvalidRequest", answer.body


def test_command_acts_as_the_callers_role_only(function: Function) -> None:
    answer = function.invoke(function.command("get", "secrets", "-A") | {"RoleArn": "arn:aws:iam::222222222222:role/other"})
    assert "may not assume role" in answer.refused()


def test_script_feels_like_kubectl(cloud: Cloud, fargate: Environment) -> None:
    assert fargate.request["name"] == "development"
    environment = cloud.environment(cloud.target_account)
    environment["PATH"] = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCRIPT, "-e", "opa-development", *arguments], env=environment, capture_output=True, text=True, check=False)

    got = run("get", "cm", "aws-auth", "-n", "kube-system", "-o", "jsonpath={.data.mapRoles}")
    assert (got.returncode, got.stderr) == (0, ""), got
    assert any("cluster-admin" in entry["rolearn"] for entry in json.loads(got.stdout))
    missing = run("get", "pod", "nothing")
    assert (missing.returncode, missing.stdout) == (1, "") and 'pods "nothing" not found' in missing.stderr
    refused = run("exec", "web", "--", "sh")
    assert refused.returncode == 125 and "kubectl exec is not let through" in refused.stderr


def test_events_are_answered(function: Function) -> None:
    files = sorted((ROOT / "tests" / "events").glob("kubectl-*.json"))
    assert [f.stem.removeprefix("kubectl-") for f in files] == ["chart", "command", "patch", "resource", "value"]
    for file in files:
        answer = function.invoke(json.loads(file.read_text()))
        assert not answer.error, (file.name, answer.body)


def test_examples_of_the_manual_are_answered(function: Function) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "kubectl-function.md").read_text())
    assert len(blocks) == 5  # a command, and each resource type
    for block in blocks:
        answer = function.invoke(json.loads(block))
        assert not answer.error, (block, answer.body)


def test_nothing_planted_is_in_a_log_or_left_in_tmp(function: Function, cloud: Cloud, world: World) -> None:
    planted = [hashlib.sha256(f"planted {n}".encode()).hexdigest()[:24] for n in range(6)]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "planted", "namespace": "default"},
        "stringData": {"password": planted[0]},
    }
    function.write("KubernetesResource", Manifest=json.dumps([secret]), Overwrite="true").nothing()
    # Each in another way that ends in an error, which quotes what was sent.
    wrong = secret | {"stringData": {"password": {"nested": planted[1]}}}
    assert function.write("KubernetesResource", Manifest=json.dumps([wrong]), Overwrite="true").error
    patch = json.dumps({"data": {"password": {"nested": planted[2]}}})
    assert function.write(
        "KubernetesPatch", ResourceName="secret/planted", ResourceNamespace="default", PatchType="merge", ApplyPatchJson=patch, RestorePatchJson=patch
    ).error
    values = json.dumps({"password": planted[3]})
    assert function.write("HelmChart", Release="planted", Chart="none", Repository="http://127.0.0.1:9/none", Values=values, Timeout="5s").error
    encoded = base64.b64encode(planted[0].encode()).decode()
    assert function.run("get", "secret", "planted", "-o", "jsonpath={.data.password}")["Stdout"] == encoded
    assert function.run("get", "pods", "-l", f"x={planted[4]}")["ExitCode"] == 0
    assert function.invoke(function.command("get", "pods", f"--token={planted[5]}")).error
    read = function.write("KubernetesObjectValue", ObjectType="secret", ObjectName="planted", ObjectNamespace="default", JsonPath=".data.password")
    assert not read.error
    logs = "".join(path.read_text(errors="replace") for path in world.layout.run.rglob("*.log") if "clusters" not in path.parts)
    groups = cloud.client("logs", cloud.target_account)
    for stream in groups.describe_log_streams(logGroupName="/aws/lambda/EKS-ENV-opa-development-kubectl").get("logStreams", []):
        events = groups.get_log_events(logGroupName="/aws/lambda/EKS-ENV-opa-development-kubectl", logStreamName=stream["logStreamName"])
        logs += "".join(event["message"] for event in events["events"])
    assert "command done" in logs, "the function's log is not where this test looks"
    found = [n for n, text in enumerate([*planted, encoded]) if text in logs]
    assert not found, f"planted secrets {found} are in the logs"
    assert "k8s-aws-v1." not in logs
    left = list((world.layout.temporary / "EKS-ENV-opa-development-kubectl").rglob("*"))
    assert left == []


def test_functions_role_describes_its_own_cluster_only(cloud: Cloud) -> None:
    iam = cloud.client("iam", cloud.target_account)
    name = "opa-development-kubectl-lambda-role"
    statements = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        statements += document["Statement"]
    eks = [s for s in statements if any(a.startswith("eks:") for a in _list(s["Action"]))]
    (statement,) = eks
    assert _list(statement["Action"]) == ["eks:DescribeCluster"]
    assert _list(statement["Resource"]) == ["arn:aws:eks:us-east-1:222222222222:cluster/opa-development-cluster"]
    assert not [s for s in statements if "*" in _list(s["Action"])]


def test_function_cannot_look_at_another_cluster(function: Function) -> None:
    answer = function.invoke(function.command("get", "pods") | {"ClusterName": "opa-staging-cluster"})
    assert answer.error and answer.body["errorType"] == "AccessDenied", answer.body


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
