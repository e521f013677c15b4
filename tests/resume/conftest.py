"""A local cloud in which whatever functions call goes through the proxy, AWS and Kubernetes alike."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from demo import deploy
from demo.cloud import Cloud
from e2e import instance
from e2e.provider import Provider
from faults import examples
from faults.scenario import Stage
from localcloud.layout import Layout
from localcloud.proxy import Proxy


@pytest.fixture(scope="session")
def cloud(directory: pathlib.Path, port: int) -> Iterator[Cloud]:
    """A local cloud of this session's own, with the orchestrator and the environment role deployed."""
    url = f"http://127.0.0.1:{port}"
    with instance.running(directory, LOCALCLOUD_INVOKE_URL=url, LOCALCLOUD_FUNCTION_ENDPOINT=url) as cloud:
        examples.scale_waits(cloud)
        deploy.everything(cloud)
        yield cloud


@pytest.fixture(scope="session")
def stage(cloud: Cloud, directory: pathlib.Path, port: int) -> Iterator[Stage]:
    """The machine, with the proxy around it."""
    proxy = Proxy(cloud.settings["AWS_ENDPOINT_URL"], Layout(directory).temporary, port=port, kubernetes=True)
    provider = Provider.of(cloud)
    yield Stage(provider, proxy, provider.states, provider.machine)
    proxy.stop()
