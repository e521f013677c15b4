"""One local cloud for the session, with the orchestrator in it, and the examples applied once."""

from __future__ import annotations

import multiprocessing
import pathlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from demo import deploy, given
from demo.cloud import Cloud
from e2e import instance, slow
from e2e.provider import Environment, Provider, Request, example
from e2e.removal import LIVES, Life, beforehand, deletion, together
from e2e.world import World
from localcloud import snapshot
from localcloud.snapshot import Snapshot

# Together they have each pair of {Fargate, managed} × {new, existing VPC} × {public, private} × {created, supplied administrator}.
EXAMPLES = ("fargate", "isolated", "managed-nodes", "node-options", "other-region", "private-api", "shared-vpc")


def pytest_configure(config: pytest.Config) -> None:
    """Names the tests that are long."""
    config.addinivalue_line("markers", "matrix: every combination of a request's choices; run with -m matrix")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the long tests to whoever asks for them."""
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("matrix")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def cloud(directory: pathlib.Path) -> Iterator[Cloud]:
    """A local cloud of this session's own, with the orchestrator and the environment role deployed."""
    with instance.running(directory) as cloud:
        deploy.everything(cloud)
        yield cloud


@pytest.fixture(scope="session")
def being_slow(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[tuple[Environment, list[str]]]]:
    """The slow environment in the making, in a process of its own."""
    # Not forked: the process makes AWS clients of its own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor.submit(slow.run, cloud, tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="session", autouse=True)
def begun_early(request: pytest.FixtureRequest) -> None:
    """Begins the slow environment before the first test, if a test will want it."""
    if any("being_slow" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("being_slow")


@pytest.fixture(scope="session")
def provider(cloud: Cloud) -> Provider:
    """The orchestrator."""
    return Provider.of(cloud)


@pytest.fixture(scope="session")
def requests(cloud: Cloud) -> dict[str, Request]:
    """The requests of docs/examples, and what they take as given."""
    return {name: given.provide(cloud, example(name)) for name in EXAMPLES}


@pytest.fixture(scope="session")
def before(world: World, requests: dict[str, Request]) -> Snapshot:
    """The networks of the target account before the examples are made."""
    return world.network()


@pytest.fixture(scope="session")
def examples(provider: Provider, requests: dict[str, Request], before: Snapshot) -> dict[str, Environment]:
    """The environments of docs/examples, all of them started at the same moment."""
    executions = {name: provider.start(request) for name, request in requests.items()}
    return {name: Environment(requests[name], provider.wait(execution).succeeded()) for name, execution in executions.items()}


@pytest.fixture(scope="session")
def life(provider: Provider, world: World) -> Life:
    """A Fargate environment and one with nodes, made and removed."""
    requests = {name: example(name, **changes) for name, changes in LIVES.items()}
    before = beforehand(world)
    for made in together(provider, list(requests.values())):
        made.succeeded()
    removed = together(provider, [deletion(request) for request in requests.values()])
    return Life(requests, dict(zip(requests, removed, strict=True)), before, snapshot.take(world.layout))


@pytest.fixture(scope="session")
def fargate(examples: dict[str, Environment]) -> Environment:
    """The environment of docs/examples/fargate.json."""
    return examples["fargate"]


@pytest.fixture(scope="session")
def managed(examples: dict[str, Environment]) -> Environment:
    """The environment of docs/examples/managed-nodes.json."""
    return examples["managed-nodes"]


@pytest.fixture(scope="session")
def options(examples: dict[str, Environment]) -> Environment:
    """The environment of docs/examples/node-options.json."""
    return examples["node-options"]
