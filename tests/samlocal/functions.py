"""The deployed functions as a template for SAM local: the same code and layers, environment and role.

SAM local knows neither what references in a template come to nor who a function is on AWS. Both are
written out here, so that a container acts as the function does: under its own role, with IAM enforced.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from demo import deploy
from demo.cloud import ROOT, Cloud

BUILD = ROOT / ".aws-sam" / "build"


@dataclasses.dataclass(frozen=True)
class Function:
    """A deployed function, with the logical ids of its code and layers in the template."""

    logical: str
    configuration: dict[str, Any]
    layers: tuple[str, ...]


class Functions:
    """The orchestrator's functions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        pages = cloud.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=deploy.STACK)
        resources = [r for page in pages for r in page["StackResourceSummaries"]]
        self._lambda = cloud.client("lambda")
        layers = {r["PhysicalResourceId"]: r["LogicalResourceId"] for r in resources if r["ResourceType"] == "AWS::Lambda::LayerVersion"}
        # SAM adds a hash of the contents to a layer's logical id.
        folders = [path.name for path in BUILD.iterdir() if path.is_dir()]
        self._layers = {arn: next(f for f in folders if logical.startswith(f)) for arn, logical in layers.items()}
        self.all = [
            self._function(r["LogicalResourceId"], self._lambda.get_function_configuration(FunctionName=r["PhysicalResourceId"]))
            for r in resources
            if r["ResourceType"] == "AWS::Lambda::Function"
        ]

    def copy(self, arn: str) -> Function:
        """An environment's copy of the kubectl function, by its ARN in the target account."""
        account, region = arn.split(":")[4], arn.split(":")[3]
        there = self._cloud.client("lambda", account, region)
        configuration = there.get_function_configuration(FunctionName=arn)
        hashes = {self._hash(self._lambda, layer): logical for layer, logical in self._layers.items()}
        layers = tuple(hashes[self._hash(there, layer["Arn"])] for layer in configuration["Layers"])
        return Function("KubectlFunction", configuration, layers)

    def template(self, functions: list[Function], endpoint: str, file: pathlib.Path) -> pathlib.Path:
        """Writes a template of functions that find AWS at an endpoint."""
        resources: dict[str, Any] = {}
        for function in functions:
            configuration = function.configuration
            resources[function.logical] = {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": configuration["Runtime"],
                    "Handler": configuration["Handler"],
                    "Architectures": configuration["Architectures"],
                    "CodeUri": str(BUILD / function.logical),
                    "MemorySize": configuration["MemorySize"],
                    "Timeout": configuration["Timeout"],
                    "Layers": [{"Ref": layer} for layer in function.layers],
                    "Environment": {
                        "Variables": {
                            **configuration.get("Environment", {}).get("Variables", {}),
                            **self._credentials(configuration["Role"], configuration["FunctionName"]),
                            "AWS_ENDPOINT_URL": endpoint,
                            "AWS_LAMBDA_FUNCTION_NAME": configuration["FunctionName"],
                        }
                    },
                },
            }
            for layer in function.layers:
                resources[layer] = {
                    "Type": "AWS::Serverless::LayerVersion",
                    "Properties": {"ContentUri": str(BUILD / layer), "CompatibleRuntimes": [configuration["Runtime"]]},
                }
        file.write_text(json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}, indent=1))
        file.chmod(0o600)
        return file

    def _function(self, logical: str, configuration: dict[str, Any]) -> Function:
        return Function(logical, configuration, tuple(self._layers[layer["Arn"]] for layer in configuration.get("Layers", [])))

    @staticmethod
    def _hash(client: Any, layer: str) -> str:
        return client.get_layer_version_by_arn(Arn=layer)["Content"]["CodeSha256"]

    def _credentials(self, role: str, session: str) -> dict[str, str]:
        """What Lambda would give a function: credentials of its role."""
        account, name = role.split(":")[4], role.rpartition("/")[2]
        with _trusting_its_account(self._cloud.client("iam", account), account, name):
            keys = self._cloud.client("sts", account).assume_role(RoleArn=role, RoleSessionName=session[:64])["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }


@contextlib.contextmanager
def _trusting_its_account(iam: Any, account: str, role: str) -> Iterator[None]:
    """Lets the deployer assume a role that trusts Lambda only."""
    before = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({**before, "Statement": [*before["Statement"], statement]}))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(before))
