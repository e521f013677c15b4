"""Unmodified Harmonix works with an environment: backend, UI and application pipelines."""

from __future__ import annotations

import datetime
import json
from typing import Any

import botocore.exceptions
import pytest

from demo.cloud import Cloud
from e2e.harmonix import PAYLOADS, Application, Backend, Role, role
from e2e.provider import Environment, Provider, fill, fixture
from e2e.world import eventually

AUDIT = fixture("audit")


@pytest.fixture
def application(cloud: Cloud, managed: Environment, request: pytest.FixtureRequest) -> Application:
    """An application of the test's own, deployed by its CI."""
    app = _short(request.node.name)
    application = Application(cloud, managed, app)
    application.deploy()
    return application


def _short(test: str) -> str:
    return "-".join(test.removeprefix("test_").split("_")[:3])


def test_scaffolder_reads_what_a_template_needs(cloud: Cloud, managed: Environment) -> None:
    # harmonix:get-env-providers (5.2): the entity's metadata holds the parameters' names.
    ssm, outputs = Backend(cloud, managed).client("ssm"), managed.result["outputs"]

    def parameter(name: str) -> str:
        return ssm.get_parameter(Name=name)["Parameter"]["Value"]

    assert parameter(outputs["VPC"]) == managed.result["network"]["vpcId"]
    for kind in ("public", "private"):
        assert all(s.startswith("subnet-") for s in parameter(f"{outputs['VPC']}/{kind}-subnets").split(","))
    assert parameter(outputs["ClusterName"]).split("/")[1] == "opa-staging-cluster"
    assert parameter(outputs["ProvisioningRoleARN"]) == outputs["ProvisioningRoleDirectARN"]


def test_backend_writes_and_reads_the_audit_table(cloud: Cloud, managed: Environment) -> None:
    backend = Backend(cloud, managed)
    table = backend.client("ssm").get_parameter(Name="/opa/staging/staging-audit")["Parameter"]["Value"]
    now = datetime.datetime.now(datetime.UTC).isoformat()
    row = {name: {"S": now if name == "createdAt" else f"{name} of the row"} for name in AUDIT["attributes"]}
    dynamodb = backend.client("dynamodb")
    dynamodb.put_item(TableName=table, Item=row)
    # /audit-entries (5.3): one scan with a filter.
    found = dynamodb.scan(TableName=table, FilterExpression="appName = :appName", ExpressionAttributeValues={":appName": {"S": "appName of the row"}})
    assert found["Items"] == [row]


def test_operations_role_is_for_the_platform_role_only(cloud: Cloud, managed: Environment) -> None:
    for first, then in (("opa-pipeline", "operations-role"), ("opa-platform", "provisioning-role")):
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            Role(cloud, managed, first, then, "stranger")


def test_ci_deploys_an_application_and_the_ui_shows_it(application: Application) -> None:
    # The UI reads these members and stops without conditions (4.4).
    def shown() -> list[dict[str, Any]]:
        return [d for d in application.ui("a").value()["items"] if d.get("status", {}).get("conditions")]

    (deployment,) = eventually(shown, "a deployment with conditions")
    assert deployment["metadata"]["name"] == application.values["app"]
    assert deployment["metadata"]["uid"]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["status"]["conditions"][0]["lastUpdateTime"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"][0]["configMapRef"]["name"] == f"{application.values['app']}-config"


def test_ui_lists_nothing_without_an_error_where_nothing_matches(application: Application) -> None:
    found = application.ui("a", app="another").value()
    assert (found["kind"], found["items"]) == ("List", [])


def test_answers_are_ascii_and_keep_their_content(application: Application) -> None:
    answer = application.ui("b")
    assert answer.payload.isascii()
    (config,) = answer.value()["items"]
    assert config["data"] == {"GREETING": "Grüße, 世界 🚀"}


def test_ui_scales_although_the_admin_may_not_write_all_documents(application: Application) -> None:
    # The list holds a Namespace and a ClusterRoleBinding (4.5, row 2): kubectl goes on after a refusal.
    answer = application.scale(3)
    assert answer.error
    (deployment,) = application.ui("a").value()["items"]
    assert deployment["spec"]["replicas"] == 3


def test_ui_deletes_an_application(application: Application) -> None:
    application.delete().nothing()
    for kind in ("a", "b"):
        left = application.ci(kind, appAdminRole=application.values["clusterAdminRole"]).value()["items"]
        assert [item for item in left if "deletionTimestamp" not in item["metadata"]] == []


def test_ui_deletes_what_is_deleted_already_without_an_error(application: Application) -> None:
    application.delete().nothing()
    again = application.ci("d", appAdminRole=application.values["clusterAdminRole"], manifest=json.dumps(application.release))
    again.nothing()


def test_ci_applies_the_same_manifests_again(application: Application) -> None:
    application.apply(application.namespace_manifest).nothing()
    application.apply(application.release).nothing()


def test_app_admin_acts_in_its_namespace_and_not_elsewhere(application: Application) -> None:
    assert application.ui("b").value()["items"]
    for elsewhere in ("default", "kube-system"):
        assert "forbidden" in application.ui("b", ns=elsewhere).refused().lower()
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "intruder", "namespace": "default"}}
    application.ui("c", manifest=json.dumps([other])).refused()


def test_app_admin_without_a_line_in_aws_auth_is_nobody(cloud: Cloud, managed: Environment) -> None:
    application = Application(cloud, managed, "unmapped")
    application.apply(application.namespace_manifest).nothing()
    application.ui("a").refused()


def test_ci_appends_to_aws_auth_and_a_reapply_keeps_it(cloud: Cloud, managed: Environment, provider: Provider) -> None:
    application = Application(cloud, managed, "appended")
    application.apply(application.namespace_manifest).nothing()
    before, after = application.map_admin_role()
    assert len(json.loads(after)) == len(json.loads(before)) + 1
    assert application.ci("f").value()["data"]["mapRoles"] == after
    result = provider.run(managed.request).succeeded().result
    assert result["changed"] is False
    assert application.ci("f").value()["data"]["mapRoles"] == after


def test_reapply_restores_a_lost_line_and_keeps_the_others(cloud: Cloud, managed: Environment, provider: Provider) -> None:
    application = Application(cloud, managed, "restored")
    _, after = application.map_admin_role()
    entries = json.loads(after)
    assert entries[1]["username"] == "system:node:{{EC2PrivateDNSName}}"
    lost = json.dumps({"data": {"mapRoles": json.dumps([entries[0], *entries[2:]])}})
    application.ci("g", apply=lost, restore=lost).nothing()
    result = provider.run(managed.request).succeeded().result
    assert [s["stage"] for s in result["stages"] if s["change"] != "unchanged"] == ["Access"]
    restored = json.loads(application.ci("f").value()["data"]["mapRoles"])
    # Existing lines are never moved, so the restored one stands last; its place means nothing.
    assert restored == [entries[0], *entries[2:], entries[1]]
    original = json.dumps({"data": {"mapRoles": after}})
    application.ci("g", apply=original, restore=original).nothing()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("administrator", id="a role of the account"),
        pytest.param("opa-stagingadmin", id="a role whose name only resembles"),
    ],
)
def test_role_outside_the_allow_list_is_refused(cloud: Cloud, managed: Environment, name: str) -> None:
    # The role would trust the function; the list alone stands in the way (4.1).
    stranger = role(cloud, managed, name)
    payload = fill(PAYLOADS["a"], cluster="opa-staging-cluster", appAdminRole=stranger, ns="default", env="dev", app="any")
    message = Backend(cloud, managed).invoke(managed.result["kubectl"]["functionArn"], payload).refused()
    assert stranger in message
    assert "assumableRoles" in message


def test_unknown_properties_and_values_of_any_scalar_type_are_accepted(application: Application) -> None:
    # CloudFormation sends strings where callers send numbers and booleans (4.2, 4.5 row 5).
    payload = fill(PAYLOADS["b"], **application.values)
    payload["ResourceProperties"] |= {"TimeoutSeconds": 5, "SomethingNew": True}
    answer = application.backend.invoke(application.function, payload)
    assert answer.value()["items"]
