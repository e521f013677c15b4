"""A local cloud whose clusters take their time, with one environment made in it.

It is another process' work, so that the other tests need not wait for it.
"""

from __future__ import annotations

import pathlib
import time

from demo import deploy, execution
from demo.cloud import Cloud
from e2e import instance
from e2e.provider import Environment, Execution, Provider, example
from e2e.world import World

DELAY = 20
"""Seconds that a cluster stays in CREATING longer than it needs."""

ATTEMPT = 10
"""The Cluster function's timeout: a stage looks at its stack for less than that, then hands back InProgress."""


def run(source: Cloud, directory: pathlib.Path) -> tuple[Environment, list[str]]:
    """Makes the environment; returns it with the statuses that its Cluster stack was seen in."""
    with instance.running(directory, LOCALCLOUD_EKS_DELAY=str(DELAY)) as cloud:
        deploy.harmonix(cloud)
        instance.copy(source, cloud)
        deploy.environment_role(cloud)
        functions = cloud.client("lambda")
        name = cloud.client("cloudformation").describe_stack_resource(StackName=deploy.STACK, LogicalResourceId="ClusterFunction")["StackResourceDetail"][
            "PhysicalResourceId"
        ]
        functions.update_function_configuration(FunctionName=name, Timeout=ATTEMPT)
        provider, world = Provider.of(cloud), World(cloud)
        request = example("fargate")
        arn = provider.start(request)
        statuses: list[str] = []
        while (description := provider.states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            stack = world.stacks(cloud.target_account).get("EKS-ENV-opa-development-Cluster")
            if stack and stack["StackStatus"] not in statuses:
                statuses.append(stack["StackStatus"])
            time.sleep(0.25)
        history = execution.events(provider.states, arn)
        description.pop("ResponseMetadata")
        return Environment(request, Execution(arn, description, history)), statuses
