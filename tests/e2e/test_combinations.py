"""Every combination of nodes, VPC, API and administrator: pairs of them always, all sixteen on request."""

from __future__ import annotations

import pytest

from demo.cloud import Cloud
from e2e import combination
from e2e.conftest import EXAMPLES
from e2e.provider import Environment
from e2e.world import World


@pytest.mark.parametrize("name", EXAMPLES)
def test_combination_is_what_was_asked_for(cloud: Cloud, world: World, examples: dict[str, Environment], name: str) -> None:
    combination.check(cloud, world, examples[name])
