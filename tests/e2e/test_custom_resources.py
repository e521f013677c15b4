"""CDK's custom resources in a CloudFormation stack, served by an environment's kubectl function directly.

The stacks are what a CDK app with an imported kubectl provider synthesizes (kubectl-protocol.md, 2.1): the
function's ARN as ServiceToken, and the right to read its assets given to the function's role.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud import Cloud
from demo.cluster import Cluster, ClusterError
from e2e.provider import Environment
from e2e.world import World

BUCKET = "stack-assets-222222222222"
LABEL = "aws.cdk.eks/prune-c8e2e"
PLANTED = "planted-7f3a"

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: note\nversion: 1.0.0\n",
    "templates/note.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  text: {{ .Values.text | quote }}\n",
}

Resources = dict[str, dict[str, Any]]


class Stacks:
    """Stacks of the target account whose custom resources the kubectl function of an environment answers."""

    def __init__(self, cloud: Cloud, environment: Environment) -> None:
        self.result = environment.result
        self.cluster = Cluster(cloud, environment.result)
        self._client = cloud.client("cloudformation", cloud.target_account)
        self.names: set[str] = set()

    def resource(self, kind: str, /, after: str = "", **properties: Any) -> dict[str, Any]:
        """A custom resource of CDK's."""
        common = {
            "ServiceToken": self.result["kubectl"]["functionArn"],
            "ClusterName": self.result["cluster"]["name"],
            "RoleArn": self.result["cluster"]["adminRoleArn"],
        }
        made: dict[str, Any] = {"Type": f"Custom::AWSCDK-EKS-{kind}", "Properties": common | properties}
        return made | ({"DependsOn": after} if after else {})

    def apply(self, name: str, resources: Resources, outputs: dict[str, Any] | None = None) -> dict[str, Any]:
        """Creates or updates a stack; returns it once it is at rest."""
        template = json.dumps({"Resources": resources, "Outputs": {k: {"Value": v} for k, v in (outputs or {}).items()}})
        act = self._client.update_stack if name in self.names else self._client.create_stack
        self.names.add(name)
        act(StackName=name, TemplateBody=template)
        return self._rest(name)

    def delete(self, name: str) -> str:
        """Deletes a stack; returns its last status, empty when it is gone."""
        self._client.delete_stack(StackName=name)
        with contextlib.suppress(self._client.exceptions.ClientError):
            return self._rest(name)["StackStatus"].removesuffix("DELETE_COMPLETE")
        return ""

    def reasons(self, name: str) -> list[str]:
        """Why resources of a stack failed, oldest first."""
        events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        failed = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"].endswith("_FAILED")]
        return failed[::-1]

    def _rest(self, name: str) -> dict[str, Any]:
        end = time.monotonic() + 60
        while (stack := self._client.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"].endswith("_IN_PROGRESS"):
            assert time.monotonic() < end, f"{name}: {stack['StackStatus']}"
            time.sleep(0.1)
        return stack


@pytest.fixture(scope="module")
def stacks(cloud: Cloud, world: World, managed: Environment) -> Iterator[Stacks]:
    """The stacks, and a bucket with their assets that the function's role may read, as CDK's grantRead does it."""
    role = managed.result["outputs"]["KubectlLambdaRoleDirectARN"].rpartition("/")[2]
    s3, iam = world.target("s3"), world.target("iam")
    s3.create_bucket(Bucket=BUCKET)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    iam.put_role_policy(RoleName=role, PolicyName="assets", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=BUCKET, Key="chart.zip", Body=_zip(CHART))
    made = Stacks(cloud, managed)
    try:
        yield made
    finally:
        for name in made.names:
            made.delete(name)
        iam.delete_role_policy(RoleName=role, PolicyName="assets")
        for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
        s3.delete_bucket(Bucket=BUCKET)


def test_stack_lives_and_changes_and_ends(cloud: Cloud, world: World, stacks: Stacks) -> None:
    """One stack with all four types: created, changed in everything that names an object, deleted."""
    large = [_map(f"large-{i}", "x" * 200_000) for i in range(2)]
    world.target("s3").put_object(Bucket=BUCKET, Key="large.json", Body=json.dumps(large).encode())
    first = _everything(stacks, ["kept", "removed"], patched="kept", release="one")
    stack = stacks.apply("objects", first, {"Text": {"Fn::GetAtt": ["Value", "Value"]}})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("objects")
    assert {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]} == {"Text": "patched"}
    maps = _maps(stacks)
    assert {"kept", "removed", "large-0", "large-1", "one"} <= set(maps)
    assert (maps["kept"]["text"], maps["one"]["text"]) == ("patched", PLANTED)

    stack = stacks.apply("objects", _everything(stacks, ["kept", "added"], patched="added", release="two"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons("objects")
    maps = _maps(stacks)
    # The pruned object and the release of the old name are gone; the object patched before has its text back.
    assert not {"removed", "one"} & set(maps)
    assert {name: maps[name]["text"] for name in ("kept", "added", "two")} == {"kept": "original", "added": "patched", "two": PLANTED}

    assert stacks.delete("objects") == ""
    assert not {"kept", "added", "two", "large-0"} & set(_maps(stacks))
    _nothing_leaked(cloud, world, stacks)


def test_collision_is_reported_and_what_was_there_stays(stacks: Stacks) -> None:
    stacks.cluster.call("Update", "KubernetesResource", Manifest=json.dumps([_map("mine", "before")]))
    objects = stacks.resource("KubernetesResource", Manifest=json.dumps([_map("early", "x"), _map("mine", "after")]))
    stack = stacks.apply("collision", {"Objects": objects})
    assert stack["StackStatus"] in ("ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED")
    assert any("ConfigMap default/mine" in reason and "already exists" in reason for reason in stacks.reasons("collision"))
    stacks.delete("collision")
    maps = _maps(stacks)
    assert maps["mine"] == {"text": "before"}
    # CloudFormation asks nobody to delete what counts as not created.
    assert "early" not in maps


def test_role_outside_the_list_and_too_large_a_value_are_reported(stacks: Stacks) -> None:
    stacks.cluster.call("Update", "KubernetesResource", Manifest=json.dumps([_map("wide", "v" * 5000)]))
    value = {"ObjectType": "configmap", "ObjectNamespace": "default", "ObjectName": "wide", "JsonPath": "@", "TimeoutSeconds": "5"}
    stranger = stacks.resource("KubernetesObjectValue", **value) | {}
    stranger["Properties"] |= {"RoleArn": "arn:aws:iam::222222222222:role/stranger"}
    for name, resource, text in (
        ("stranger", stranger, "may not assume role arn:aws:iam::222222222222:role/stranger"),
        ("wide", stacks.resource("KubernetesObjectValue", **value), "JsonPath"),
        ("narrow", stacks.resource("KubernetesObjectValue", **value | {"JsonPath": ".metadata.name"}), ""),
    ):
        stack = stacks.apply(name, {"Value": resource})
        if text:
            assert any(text in reason for reason in stacks.reasons(name)), stacks.reasons(name)
        else:
            assert stack["StackStatus"] == "CREATE_COMPLETE"


def _everything(stacks: Stacks, names: list[str], patched: str, release: str) -> Resources:
    """A resource of each type."""
    patch = {key: json.dumps({"data": {"text": text}}) for key, text in (("ApplyPatchJson", "patched"), ("RestorePatchJson", "original"))}
    manifest = [_map(name, "original", **{LABEL: ""}) for name in names]
    return {
        "Objects": stacks.resource("KubernetesResource", Manifest=json.dumps([None, *manifest]), PruneLabel=LABEL),
        "Large": stacks.resource("KubernetesResource", ManifestURL=f"s3://{BUCKET}/large.json"),
        "Patch": stacks.resource("KubernetesPatch", "Objects", ResourceName=f"configmap/{patched}", ResourceNamespace="default", PatchType="merge", **patch),
        "Value": stacks.resource(
            "KubernetesObjectValue",
            "Patch",
            ObjectType="configmap",
            ObjectName=patched,
            ObjectNamespace="default",
            JsonPath=".data.text",
            TimeoutSeconds=5,
        ),
        "Chart": stacks.resource(
            "HelmChart",
            Release=release,
            Namespace="default",
            ChartAssetURL=f"s3://{BUCKET}/chart.zip",
            Wait=True,
            Timeout="900s",
            Values=json.dumps({"text": PLANTED}),
        ),
    }


def _map(name: str, text: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"text": text}}


def _maps(stacks: Stacks) -> dict[str, dict[str, str]]:
    """The data of the ConfigMaps in the default namespace by name."""
    with contextlib.suppress(ClusterError):
        return {c["metadata"]["name"]: c.get("data", {}) for c in stacks.cluster.list("configmaps")}
    raise AssertionError("the cluster does not answer")


def _nothing_leaked(cloud: Cloud, world: World, stacks: Stacks) -> None:
    """Checks that CloudFormation was answered once per request, and the function's log has neither URL nor values."""
    function = stacks.result["kubectl"]["functionArn"].rpartition(":")[2]
    logs = world.target("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    text = "\n".join(event["message"] for event in logs)
    assert '"resourceType":"Custom::AWSCDK-EKS-HelmChart"' in text
    assert PLANTED not in text
    assert "cfn-response" not in text
    assert "CFN ResponseURL PUT for unknown token" not in (cloud.directory / "run" / "ministack.log").read_text()


def _zip(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
