"""A local cloud whose state machines call their functions through the proxy, with the examples made in it."""

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
from e2e.provider import Execution, Provider
from e2e.world import World
from faults import examples
from faults.scenario import Stage
from localcloud.cloud import free_port
from localcloud.engine import process
from localcloud.layout import Layout
from localcloud.proxy import Proxy

collect_ignore = [] if os.environ.get("FAULTS") == "all" else ["test_more_examples.py"]

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
    for needed in (ROOT / ".aws-sam" / "build" / "template.yaml", ROOT / ".local" / "bin" / "kubernetes", process.python()):
        if not needed.exists():
            pytest.exit(f"{needed.relative_to(ROOT)} is missing: run `make ready` first", returncode=2)
    with instance.running(directory, LOCALCLOUD_INVOKE_URL=f"http://127.0.0.1:{port}") as cloud:
        examples.scale_waits(cloud, WAIT_SCALE)
        deploy.everything(cloud)
        yield cloud


@pytest.fixture(scope="session")
def proxy(cloud: Cloud, directory: pathlib.Path, port: int) -> Iterator[Proxy]:
    """What stands between both interpreters and the functions."""
    proxy = Proxy(cloud.settings["AWS_ENDPOINT_URL"], Layout(directory).temporary, port=port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def world(cloud: Cloud) -> World:
    """What can be seen of both accounts."""
    return World(cloud)


@pytest.fixture(scope="session")
def first(cloud: Cloud, proxy: Proxy) -> Stage:
    """The local cloud's own interpreter."""
    provider = Provider.of(cloud)
    return Stage(provider, proxy, provider.states, provider.machine)


@pytest.fixture(scope="session")
def second(cloud: Cloud, proxy: Proxy, first: Stage, directory: pathlib.Path, port: int) -> Iterator[Stage]:
    """The second interpreter, with the machine as it was deployed."""
    deployed = first.client.describe_state_machine(stateMachineArn=first.machine)
    with process.running(directory, port, WAIT_SCALE) as client:
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
