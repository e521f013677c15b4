"""Harmonix as it calls an environment: the roles it assumes and the payloads it sends.

Sources are the sections of harmonix-contract.md that the methods name.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import boto3

from demo.cloud import Cloud
from e2e.provider import Environment, fill, fixture

PAYLOADS = fixture("payloads")

_DELETION = {"Ingress": 0, "Service": 1, "Deployment": 2, "ConfigMap": 4, "RoleBinding": 999}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an invocation answered."""

    payload: bytes
    error: bool
    log: str

    @property
    def body(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)

    def value(self) -> Any:
        """The object that a KubernetesObjectValue found."""
        assert not self.error, self.body
        return json.loads(self.body["Data"]["Value"])

    def nothing(self) -> None:
        """Checks that it answered null, as apply, patch and delete do (4.4)."""
        assert not self.error, self.body
        assert self.payload == b"null"

    def refused(self) -> str:
        """The message of an answer that is an error of class AccessDenied."""
        assert self.error, self.body
        assert self.body["errorType"] == "AccessDenied", self.body
        return self.body["errorMessage"]


class Role:
    """An assumed role in the target account, and a kubectl function behind it."""

    def __init__(self, cloud: Cloud, environment: Environment, first: str, then: str, session: str) -> None:
        self._cloud, self._environment = cloud, environment
        deployer = cloud.client("sts")
        own = deployer.assume_role(RoleArn=f"arn:aws:iam::{cloud.platform_account}:role/{first}", RoleSessionName=first)
        sts = self._with("sts", own["Credentials"])
        arn = f"arn:aws:iam::{environment.account}:role/{environment.prefix}-{environment.name}-{then}"
        self._keys = sts.assume_role(RoleArn=arn, RoleSessionName=session, DurationSeconds=3600)["Credentials"]

    def client(self, service: str) -> Any:
        """A client that acts as the role."""
        return self._with(service, self._keys)

    def invoke(self, function: str, payload: dict[str, Any]) -> Answer:
        """Invokes a function as both the backend and the CLI do (4.1)."""
        answer = self.client("lambda").invoke(FunctionName=function, InvocationType="RequestResponse", LogType="Tail", Payload=json.dumps(payload).encode())
        return Answer(answer["Payload"].read(), "FunctionError" in answer, answer.get("LogResult", ""))

    def _with(self, service: str, keys: dict[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._cloud.settings["AWS_ENDPOINT_URL"],
            region_name=self._environment.region,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


class Backend(Role):
    """The Backstage backend, on behalf of the UI (4.1)."""

    def __init__(self, cloud: Cloud, environment: Environment) -> None:
        super().__init__(cloud, environment, "opa-platform", "operations-role", "unknown-backstage-session")


class Pipeline(Role):
    """The CI of an application (4.1)."""

    def __init__(self, cloud: Cloud, environment: Environment) -> None:
        super().__init__(cloud, environment, "opa-pipeline", "provisioning-role", "sample-deploy")


class Application:
    """An application that is deployed into an environment, and what its UI does with it."""

    def __init__(self, cloud: Cloud, environment: Environment, app: str) -> None:
        self.backend, self.pipeline = Backend(cloud, environment), Pipeline(cloud, environment)
        self.namespace = f"{app}-dev"
        outputs = environment.result["outputs"]
        # metadata.kubectlLambdaArn; the CI's scripts take what stands behind its last colon.
        self.function = outputs["KubectlLambdaArn"]
        self._function_name = self.function.rpartition(":")[2]
        # The application's stack is {app}-eks-resources-{env}-{provider}; its admin role trusts the account (5.2).
        self.admin = role(cloud, environment, f"{app}-eks-resources-dev-{environment.name}-AppAdminRole")
        ssm = self.pipeline.client("ssm")
        cluster_arn = ssm.get_parameter(Name=outputs["ClusterName"])["Parameter"]["Value"]
        self.values = {
            "app": app,
            "env": "dev",
            "ns": self.namespace,
            "cluster": cluster_arn.split("/")[1],
            "appAdminRole": self.admin,
            "clusterAdminRole": outputs["ClusterAdminRoleDirectARN"],
        }
        documents = fill(fixture("application"), **self.values)
        self.namespace_manifest, self.release = documents["namespace"], documents["release"]

    def ui(self, letter: str, **values: str) -> Answer:
        """Sends a payload of the UI."""
        return self.backend.invoke(self.function, fill(PAYLOADS[letter], **self.values | values))

    def ci(self, letter: str, **values: str) -> Answer:
        """Sends a payload of the application's CI."""
        return self.pipeline.invoke(self._function_name, fill(PAYLOADS[letter], **self.values | values))

    def apply(self, documents: list[Any]) -> Answer:
        """apply-k8s-lambda.sh: what `yq -s` makes of the YAML documents."""
        return self.ci("e", manifest=json.dumps(documents))

    def map_admin_role(self) -> tuple[str, str]:
        """add-role-to-aws-auth-configmap.sh: mapRoles before and after (4.5, row 7)."""
        before = self.ci("f").value()["data"]["mapRoles"]
        assert before.endswith("]")
        entry = {"rolearn": self.admin, "username": self.admin, "groups": []}
        after = f"{before[:-1]}, {json.dumps(entry)}]"
        patches = {key: json.dumps({"data": {"mapRoles": text}}) for key, text in (("apply", after), ("restore", before))}
        self.ci("g", **patches).nothing()
        return before, after

    def deploy(self) -> None:
        """The CI from its start to its end."""
        self.apply(self.namespace_manifest).nothing()
        self.map_admin_role()
        self.apply(self.release).nothing()

    def scale(self, replicas: int) -> Answer:
        """Start or stop in the UI: sets the replicas of every element that has them."""
        documents = [d for d in [*self.namespace_manifest, *self.release] if d]
        for document in documents:
            if "replicas" in document.get("spec", {}):
                document["spec"]["replicas"] = replicas
        return self.ui("c", manifest=json.dumps(documents))

    def delete(self) -> Answer:
        """Delete in the UI: elements with a namespace, the binding that authorises the caller last."""
        documents = [d for d in [*self.namespace_manifest, *self.release] if d and "namespace" in d["metadata"]]
        documents.sort(key=lambda d: _DELETION.get(d["kind"], 3))
        return self.ui("d", manifest=json.dumps(documents))


def role(cloud: Cloud, environment: Environment, name: str) -> str:
    """Makes a role of the target account that trusts the whole account; returns its ARN."""
    iam = cloud.client("iam", cloud.target_account)
    root = f"arn:aws:iam::{environment.account}:root"
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": root}}]}
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
