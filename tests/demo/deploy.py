"""Puts the orchestrator into the platform account and the environment role into the target account."""

from __future__ import annotations

import json
import pathlib
import platform
import sys
from typing import Any

from .cloud import ROOT, Cloud, run

STACK = "eks-environment-provider"
EXTERNAL_ID = "harmonix-demo"
ENVIRONMENT_ROLE_STACK = "eks-environment-role"

_tools = pathlib.Path(sys.prefix).parent


def everything(cloud: Cloud) -> None:
    """All that stands before the first request, whichever of docs/examples it is."""
    harmonix(cloud)
    organization(cloud)
    orchestrator(cloud)
    environment_role(cloud)


def harmonix(cloud: Cloud) -> None:
    """Makes what a Harmonix installation has made before: its two roles, named in SSM."""
    iam, ssm = cloud.client("iam"), cloud.client("ssm")
    for name, principal in (("platform", "ecs-tasks"), ("pipeline", "ec2")):
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{principal}.amazonaws.com"}},
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{cloud.platform_account}:root"}},
            ],
        }
        try:
            iam.create_role(RoleName=f"opa-{name}", AssumeRolePolicyDocument=json.dumps(trust))
        except iam.exceptions.EntityAlreadyExistsException:
            continue
        # As Harmonix has it: the roles may assume what trusts them.
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
        iam.put_role_policy(RoleName=f"opa-{name}", PolicyName="assume", PolicyDocument=json.dumps(allow))
        arn = f"arn:aws:iam::{cloud.platform_account}:role/opa-{name}"
        ssm.put_parameter(Name=f"/opa/{name}-role", Value=arn, Type="String", Overwrite=True)


def organization(cloud: Cloud) -> None:
    """Makes what an organization has in the target account before: a boundary for roles, and its operators' role.

    docs/examples/node-options.json names both.
    """
    account = cloud.target_account
    iam = cloud.client("iam", account)
    boundary = [
        {"Sid": "Workloads", "Effect": "Allow", "Action": "*", "Resource": "*"},
        # Nobody that a workload makes becomes a person.
        {"Sid": "NoPeople", "Effect": "Deny", "Action": ["iam:CreateUser", "iam:CreateLoginProfile", "iam:CreateAccessKey"], "Resource": "*"},
    ]
    trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}]
    assume = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]
    try:
        iam.create_policy(PolicyName="workload-boundary", PolicyDocument=_policy(boundary))
        iam.create_role(RoleName="platform-operators", AssumeRolePolicyDocument=_policy(trust))
    except iam.exceptions.EntityAlreadyExistsException:
        return
    iam.put_role_policy(RoleName="platform-operators", PolicyName="assume", PolicyDocument=_policy(assume))


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def orchestrator(cloud: Cloud) -> dict[str, str]:
    """Deploys the orchestrator with SAM and returns the stack's outputs."""
    architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    run(
        [
            str(_tools / "sam" / "bin" / "sam"),
            "deploy",
            "--config-env",
            "local",
            "--parameter-overrides",
            f"Architecture={architecture}",
            f"TargetAccounts={cloud.target_account}",
            # Nothing is eventually consistent here.
            "SettleSeconds=0",
            # Nothing arrives late here, and what is not gone at once never goes.
            "DrainSeconds=15",
            "RecheckSeconds=0",
            # The chart of the same name that the local cloud serves: see docs/local-cloud.md.
            f"ChartRepository={cloud.settings['LOCALCLOUD_CHARTS']}",
        ],
        cloud.environment(),
    )
    stack = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}


def environment_role(cloud: Cloud) -> None:
    """Deploys the environment role into the target account, from the template that users get."""
    run(
        [
            str(_tools / "cloud" / "bin" / "aws"),
            "cloudformation",
            "deploy",
            "--stack-name",
            ENVIRONMENT_ROLE_STACK,
            "--template-file",
            str(ROOT / "infra" / "environment-role.yaml"),
            "--capabilities",
            "CAPABILITY_NAMED_IAM",
            "--no-fail-on-empty-changeset",
            "--parameter-overrides",
            f"PlatformAccountId={cloud.platform_account}",
            f"ExternalId={EXTERNAL_ID}",
        ],
        cloud.environment(cloud.target_account),
    )
