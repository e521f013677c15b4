"""The combinations that the other tests leave out, each from end to end: together with theirs all sixteen."""

from __future__ import annotations

import pathlib

import pytest

from demo import deploy, given
from demo.cloud import Cloud
from e2e import combination, instance
from e2e.provider import Environment, Provider, example
from e2e.world import World

# As many at a time as an ordinary machine has room for.
BATCHES = {
    "new VPC": (
        "fargate-new-private",
        "fargate-new-public-admin",
        "managed-new-private",
        "managed-new-private-admin",
        "managed-new-public-admin",
    ),
    "existing VPC": (
        "fargate-existing-private",
        "fargate-existing-private-admin",
        "fargate-existing-public-admin",
        "managed-existing-private-admin",
        "managed-existing-public",
    ),
}

PATIENCE = 600.0


@pytest.mark.matrix
@pytest.mark.parametrize("batch", BATCHES)
def test_combinations_are_what_was_asked_for(cloud: Cloud, tmp_path: pathlib.Path, batch: str) -> None:
    with instance.running(tmp_path) as other:
        deploy.harmonix(other)
        instance.copy(cloud, other)
        deploy.environment_role(other)
        provider, world = Provider.of(other), World(other)
        requests = [given.provide(other, example(name)) for name in BATCHES[batch]]
        for request, arn in [(request, provider.start(request)) for request in requests]:
            combination.check(other, world, Environment(request, provider.wait(arn, PATIENCE).succeeded()))
