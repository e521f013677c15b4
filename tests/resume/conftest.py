"""A local cloud in which whatever functions call goes through the proxy, AWS and Kubernetes alike."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Iterator

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
PATHS = [str(TESTS / "localcloud"), str(TESTS)]
sys.path[:0] = [path for path in PATHS if path not in sys.path]
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)

from demo import deploy
from demo.cloud import ROOT, Cloud
from e2e import instance
from e2e.provider import Provider
from e2e.world import World
from faults import examples
from faults.scenario import Stage
from localcloud.cloud import free_port
from localcloud.layout import Layout
from localcloud.proxy import Proxy

WAIT_SCALE = 0.001
"""Of the seconds between attempts."""


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the local cloud keeps its files."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def port() -> int:
    """Where the proxy listens, which the local cloud has to know before."""
    return free_port()


@pytest.fixture(scope="session")
def cloud(directory: pathlib.Path, port: int) -> Iterator[Cloud]:
    """A local cloud of this session's own, with the orchestrator and the environment role deployed."""
    for needed in (ROOT / ".aws-sam" / "build" / "template.yaml", ROOT / ".local" / "bin" / "kubernetes"):
        if not needed.exists():
            pytest.exit(f"{needed.relative_to(ROOT)} is missing: run `make ready` first", returncode=2)
    url = f"http://127.0.0.1:{port}"
    with instance.running(directory, LOCALCLOUD_INVOKE_URL=url, LOCALCLOUD_FUNCTION_ENDPOINT=url) as cloud:
        examples.scale_waits(cloud, WAIT_SCALE)
        deploy.everything(cloud)
        yield cloud


@pytest.fixture(scope="session")
def stage(cloud: Cloud, directory: pathlib.Path, port: int) -> Iterator[Stage]:
    """The machine, with the proxy around it."""
    proxy = Proxy(cloud.settings["AWS_ENDPOINT_URL"], Layout(directory).temporary, port=port, kubernetes=True)
    provider = Provider.of(cloud)
    yield Stage(provider, proxy, provider.states, provider.machine)
    proxy.stop()


@pytest.fixture(scope="session")
def world(cloud: Cloud) -> World:
    """What can be seen of both accounts."""
    return World(cloud)
