"""What all tests against a local cloud of their own begin with."""

from __future__ import annotations

import os
import pathlib

import pytest

from demo.cloud import ROOT, Cloud
from e2e.world import World
from localcloud.cloud import free_port

# As in pytest.ini: the local cloud and the demo's helpers start Python programs of these packages.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "localcloud"), str(ROOT / "tests")])


@pytest.fixture(scope="session")
def needed() -> list[pathlib.Path]:
    """What has to be built before."""
    return [ROOT / ".aws-sam" / "build" / "template.yaml", ROOT / ".local" / "bin" / "kubernetes"]


@pytest.fixture(scope="session")
def directory(needed: list[pathlib.Path], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the local cloud keeps its files."""
    for path in needed:
        if not path.exists():
            pytest.exit(f"{path.relative_to(ROOT)} is missing: run `make ready` first", returncode=2)
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def port() -> int:
    """Where a proxy listens, which the local cloud has to know before."""
    return free_port()


@pytest.fixture(scope="session")
def world(cloud: Cloud) -> World:
    """What can be seen of both accounts."""
    return World(cloud)
