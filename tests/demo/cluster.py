"""Reads an environment's cluster through its own kubectl function, as an operator would."""

from __future__ import annotations

import json
from typing import Any

from .cloud import Cloud


class ClusterError(Exception):
    """The kubectl function answered with an error; the text is its message."""


class Cluster:
    """A cluster behind its kubectl function."""

    def __init__(self, cloud: Cloud, result: dict[str, Any]) -> None:
        self._lambda = cloud.client("lambda", cloud.target_account, result["awsRegion"])
        self._function = result["kubectl"]["functionArn"]
        self._properties = {"ClusterName": result["cluster"]["name"], "RoleArn": result["cluster"]["adminRoleArn"]}

    def list(self, kind: str, namespace: str = "default") -> list[dict[str, Any]]:
        """All objects of a kind."""
        value = self.call(
            "Create",
            "KubernetesObjectValue",
            ObjectType=kind,
            ObjectNamespace=namespace,
            JsonPath="@",
            TimeoutSeconds="10",
        )
        return json.loads(value["Data"]["Value"])["items"]

    def call(self, request: str, resource: str, **properties: Any) -> Any:
        """Sends one request in CDK's wire protocol."""
        payload = {
            "RequestType": request,
            "ResourceType": f"Custom::AWSCDK-EKS-{resource}",
            "ResourceProperties": self._properties | properties,
        }
        answer = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(payload).encode())
        body = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise ClusterError(f"{body.get('errorType')}: {body.get('errorMessage')}")
        return body
