"""`make sam-local`: the state machine with its stages in SAM local's containers, then every function by its event."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from demo import deploy
from demo.cloud import Cloud
from demo.cluster import Cluster
from e2e import instance
from e2e.provider import Execution, Provider, example
from faults.scenario import Stage
from localcloud.cloud import free_port
from localcloud.layout import Layout
from localcloud.proxy import Proxy
from samlocal import docker, events, sam
from samlocal.functions import Functions
from samlocal.router import Router

EXAMPLES = ("fargate", "managed-nodes")
PATIENCE = 600.0
"""Seconds for one environment: every function starts a container."""

_began = time.monotonic()


def say(text: str) -> None:
    """A line of progress with the time since the start."""
    print(f"{time.monotonic() - _began:6.0f} s  {text}", flush=True)


@contextlib.contextmanager
def running(directory: pathlib.Path, address: str) -> Iterator[tuple[Cloud, Proxy, Router, pathlib.Path]]:
    """A local cloud where containers reach it, with the orchestrator in it and its functions in containers."""
    port = free_port()
    with instance.running(directory, LOCALCLOUD_ADDRESS=address, LOCALCLOUD_INVOKE_URL=f"http://{address}:{port}") as cloud:
        deploy.everything(cloud)
        router = Router(Functions(cloud), directory)
        proxy = Proxy(cloud.settings["AWS_ENDPOINT_URL"], Layout(directory).temporary, address, port, router)
        try:
            template = router.start(proxy.address)
            yield cloud, proxy, router, template
        finally:
            router.stop()
            proxy.stop()
            docker.end(docker.containers())


class Checks:
    """Counts what was found."""

    def __init__(self) -> None:
        self.failed = 0

    def run(self, what: str, check: Callable[[], str]) -> None:
        """Runs a check, which says what is wrong, and prints a line for it."""
        try:
            problem = check()
        except Exception as error:  # one failure must not hide the others
            problem = f"{type(error).__name__}: {error}"
        self.failed += bool(problem)
        say(f"{'FAILED' if problem else 'ok':<7} {what}")
        if problem:
            print(problem)


def made(machine: Stage, router: Router, name: str, kept: dict[str, Execution]) -> str:
    """An environment is made with every stage in a container."""
    before = set(router.invoked)
    kept[name] = execution = machine.run(example(name), name)
    if execution.status != "SUCCEEDED":
        return f"{execution.description.get('error')}: {execution.description.get('cause')}"
    request = example(name)
    copy = f"EKS-ENV-{request['prefix']}-{request['name']}-kubectl"
    return "" if copy in router.invoked - before else f"{copy} was not called in a container"


def removed(machine: Stage, kept: dict[str, Execution]) -> str:
    """The first environment is removed with every stage in a container, and again when nothing of it is left."""
    for name in ("remove", "remove again"):
        kept[name] = execution = machine.run(example(EXAMPLES[0], operation="delete"), name.replace(" ", "-"))
        if execution.status != "SUCCEEDED":
            return f"{execution.description.get('error')}: {execution.description.get('cause')}"
    gone = [kept[name].result["removed"] for name in ("remove", "remove again")]
    return "" if gone[0] and not gone[1] else f"removed, and removed again: {gone}"


def layer_is_there() -> str:
    """The kubectl of the deployed layer is under /opt of the kubectl function's containers, and runs."""
    said = [docker.execute(container, "/opt/kubectl/kubectl", "version", "--client") for container in docker.containers("KubectlFunction")]
    return "" if said and all("Client Version: v1." in text for text in said) else f"containers with a layer: {said}"


def typed_error(machine: Stage) -> str:
    """A stage's error keeps its name on its way out of a container."""
    execution = machine.run(example("fargate", cidr="10.0.0.0/8"), "typed")
    return "" if (execution.status, execution.description.get("error")) == ("FAILED", "InvalidRequest") else str(execution.description)


def answers(template: pathlib.Path, state: str, recorded: events.Recorded) -> str:
    """A function's answer to its event in a new container."""
    got = sam.invoke(template, events.function(state), events.event(state, recorded))
    if state == "RecordFailure":
        cause = json.loads(got["Cause"]) if "Cause" in got else {}
        return "" if (got.get("Error"), bool(cause.get("exists"))) == ("Failed", True) else json.dumps(got)
    want = events.settled(events.answer(state, recorded))
    return "" if got and events.settled(got) == want and "errorType" not in got else f"want {json.dumps(want)}\ngot  {json.dumps(got)}"


def invoke(checks: Checks, template: pathlib.Path, states: list[str], recorded: events.Recorded) -> None:
    """Invokes the functions of states by their events, two at a time: most of it is the start of SAM's own program."""

    def check(state: str) -> None:
        checks.run(f"sam local invoke {events.function(state)}, {state}", lambda: answers(template, state, recorded))

    with ThreadPoolExecutor(2) as executor:
        list(executor.map(check, states))


def kubectl(template: pathlib.Path, file: pathlib.Path, cloud: Cloud, made: Execution) -> str:
    """The kubectl function's answer to one of its events, about the environment at hand, and what it did there."""
    result, cluster = made.result, Cluster(cloud, made.result)
    event = json.loads(file.read_text())
    named = event.get("ResourceProperties", event)
    named.update(ClusterName=result["cluster"]["name"], RoleArn=result["cluster"]["adminRoleArn"])
    got = sam.invoke(template, "KubectlFunction", event)
    # What the CDK's handler answers to each type: kubectl-protocol.md, 1F. Only a value and a command have something to tell.
    match file.stem:
        case "kubectl-value":
            right = set(got) == {"Data"} and ipaddress.ip_address(got["Data"]["Value"])
        case "kubectl-command":
            right = got.get("ExitCode") == 0 and "NAME" in got["Stdout"]
        case "kubectl-resource":
            right = got is None and any(o["data"].get("greeting") == "hello" for o in cluster.list("configmap"))
        case "kubectl-patch":
            right = got is None and any(o["metadata"].get("labels") == {"sample": "patched"} for o in cluster.list("serviceaccount"))
        case _:
            right = got is None
    return "" if right else f"it answered {json.dumps(got)}, or did not do it"


def hook(template: pathlib.Path) -> str:
    """The delete hook's answer to somebody who is not CloudFormation."""
    got = sam.invoke(template, "DeleteHookFunction", json.loads((events.FOLDER / "deletehook.json").read_text()))
    return "" if got and got.get("errorType") == "InvalidRequest" else f"it answered {json.dumps(got)}"


def main() -> int:
    """Runs everything; 1 if anything failed."""
    try:
        docker.check()
        say(f"base image: {docker.image()}")
    except docker.DockerMissing as problem:
        print(problem, file=sys.stderr)
        return 1
    checks, kept = Checks(), dict[str, Execution]()
    with (
        tempfile.TemporaryDirectory(prefix="sam-local-") as folder,
        running(pathlib.Path(folder), docker.gateway()) as (cloud, proxy, router, template),
    ):
        say("the orchestrator is deployed, its functions are in containers")
        provider = Provider.of(cloud)
        machine = Stage(provider, proxy, provider.states, provider.machine, PATIENCE)
        for name in EXAMPLES:
            checks.run(f"state machine, {name}", lambda name=name: made(machine, router, name, kept))
        checks.run("kubectl's layer in /opt", layer_is_there)
        checks.run("typed error of a stage", lambda: typed_error(machine))
        planned = machine.run(example(EXAMPLES[0], operation="plan"), "plan")
        recorded = events.Recorded(kept[EXAMPLES[0]].history, planned.history)
        every = set(events.sections())
        invoked = {state for state in every if state in recorded.outputs} | {"RecordFailure"}
        invoke(checks, template, sorted(invoked), recorded)
        checks.run("sam local invoke DeleteHookFunction", lambda: hook(template))
        copy = pathlib.Path(folder) / "EKS-ENV-opa-development-kubectl.yaml"
        for file in sorted(events.FOLDER.glob("kubectl-*.json")):
            checks.run(f"sam local invoke KubectlFunction, {file.stem}", lambda file=file: kubectl(copy, file, cloud, kept[EXAMPLES[0]]))
        checks.run("state machine, removal", lambda: removed(machine, kept))
        # What is gone already is what a function of a removal finds when it is called once more.
        if again := kept.get("remove again"):
            invoke(checks, template, sorted(every - invoked), events.Recorded(again.history))
    say(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
