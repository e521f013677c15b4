"""A local cloud whose state machines call their functions through the proxy, with the examples made in it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from demo import deploy
from demo.cloud import Cloud
from e2e import instance
from e2e.provider import Execution, Provider
from faults import examples
from faults.scenario import Stage
from localcloud.engine import process
from localcloud.layout import Layout
from localcloud.proxy import Proxy

collect_ignore = [] if os.environ.get("FAULTS") == "all" else ["test_more_examples.py"]


@pytest.fixture(scope="session")
def needed(needed: list[pathlib.Path]) -> list[pathlib.Path]:
    """The second interpreter besides."""
    return [*needed, process.python()]


@pytest.fixture(scope="session")
def cloud(directory: pathlib.Path, port: int) -> Iterator[Cloud]:
    """A local cloud of this session's own, with the orchestrator and the environment role deployed."""
    with instance.running(directory, LOCALCLOUD_INVOKE_URL=f"http://127.0.0.1:{port}") as cloud:
        examples.scale_waits(cloud)
        deploy.everything(cloud)
        yield cloud


@pytest.fixture(scope="session")
def proxy(cloud: Cloud, directory: pathlib.Path, port: int) -> Iterator[Proxy]:
    """What stands between both interpreters and the functions."""
    proxy = Proxy(cloud.settings["AWS_ENDPOINT_URL"], Layout(directory).temporary, port=port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def first(cloud: Cloud, proxy: Proxy) -> Stage:
    """The local cloud's own interpreter."""
    provider = Provider.of(cloud)
    return Stage(provider, proxy, provider.states, provider.machine)


@pytest.fixture(scope="session")
def second(cloud: Cloud, proxy: Proxy, first: Stage, directory: pathlib.Path, port: int) -> Iterator[Stage]:
    """The second interpreter, with the machine as it was deployed."""
    deployed = first.client.describe_state_machine(stateMachineArn=first.machine)
    with process.running(directory, port, examples.WAIT_SCALE) as client:
        copy = client.create_state_machine(name=deployed["name"], definition=deployed["definition"], roleArn=deployed["roleArn"])
        yield Stage(first.provider, proxy, client, copy["stateMachineArn"])


@pytest.fixture(scope="session")
def made(second: Stage) -> dict[str, Execution]:
    """The executions of the second interpreter that made the environments of docs/examples, all at once."""
    started = {name: second.start(request, f"make-{name}") for name, request in examples.requests().items()}
    return {name: second.wait(arn) for name, arn in started.items()}


@pytest.fixture(scope="session")
def undisturbed(made: dict[str, Execution], first: Stage) -> dict[str, Execution]:
    """An execution of the first interpreter for each environment, which finds everything made."""
    for execution in made.values():
        execution.succeeded()
    started = {name: first.start(request, f"again-{name}") for name, request in examples.requests().items()}
    return {name: first.wait(arn).succeeded() for name, arn in started.items()}
