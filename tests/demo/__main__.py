"""Runs a request on the local cloud and shows what came of it.

usage: python -m demo run REQUEST.json
       python -m demo plan REQUEST.json     what the request would change, which then changes nothing
       python -m demo delete REQUEST.json   removes what the request has made
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shlex
import sys
import time
from typing import Any

from . import audit, deploy, execution, given
from .cloud import ROOT, Cloud, CommandFailed, run
from .cluster import Cluster, ClusterError
from .table import Table

LOCAL = ROOT / ".local"
DEFAULT = ROOT / "docs" / "examples" / "fargate.json"
"""The request of `make demo` when none is given."""


class DemoFailed(Exception):
    """The demo cannot go on. The text is "stage: reason"."""


def main() -> int:
    """Runs the demo; its last line says how it ended."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="run|plan|delete", dest="command")
    for name, text in (
        ("run", "run a request on the local cloud"),
        ("plan", "show what a request would change there"),
        ("delete", "remove what a request has made there"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("request", type=pathlib.Path, help="the request, a JSON file such as docs/examples/fargate.json")
    arguments = parser.parse_args()
    try:
        request = _request(arguments.request)
        print("starting the local cloud …", flush=True)
        cloud = Cloud.start(LOCAL)
        if arguments.command != "run":
            seconds = _demo(cloud, _asking(request, arguments.command))
        else:
            seconds = _demo(cloud, request, arguments.request)
    except KeyboardInterrupt:
        print("\nstopping the local cloud …")
        # Also a cloud that was only half started has left its files to stop it by.
        run([sys.executable, "-m", "localcloud", "stop", "--dir", str(LOCAL)])
        print("demo: FAILED at interrupt: stopped by Ctrl-C, and the local cloud with it")
        return 130
    except DemoFailed as failure:
        print(f"demo: FAILED at {failure}")
        return 1
    except (CommandFailed, ClusterError) as failure:
        print(failure, file=sys.stderr)
        print(f"demo: FAILED at set-up: {str(failure).splitlines()[-1]}")
        return 1
    print(f"demo: SUCCEEDED in {seconds:.0f} s")
    return 0


def _request(path: pathlib.Path) -> str:
    try:
        return json.dumps(json.loads(path.read_text()))
    except FileNotFoundError:
        examples = ", ".join(sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs" / "examples").glob("*.json")))
        raise DemoFailed(f"request: there is no file {path}; the examples are {examples}") from None
    except ValueError as wrong:
        raise DemoFailed(f"request: {path} is not JSON: {wrong}") from None


def _asking(request: str, operation: str) -> str:
    """The request with another operation; what is no object is refused by Preflight."""
    sent = json.loads(request)
    return json.dumps(sent | {"operation": operation}) if isinstance(sent, dict) else request


def _demo(cloud: Cloud, request: str, path: pathlib.Path | None = None) -> float:
    """Deploys the orchestrator and starts an execution with a request, which the command line takes from its file if it has one."""
    print(f"  endpoint {cloud.settings['AWS_ENDPOINT_URL']}, platform account {cloud.platform_account}, target account {cloud.target_account}")
    print("deploying the orchestrator: sam deploy --config-env local …", flush=True)
    deploy.harmonix(cloud)
    deploy.organization(cloud)
    outputs = deploy.orchestrator(cloud)
    deploy.environment_role(cloud)
    sent = _given(cloud, request, path)

    start = [
        "aws",
        "stepfunctions",
        "start-execution",
        "--state-machine-arn",
        outputs["StateMachineArn"],
        "--input",
        sent,
    ]
    print(f"\n$ {shlex.join(start)}", flush=True)
    before = time.time()
    tools = pathlib.Path(sys.prefix) / "bin"
    started = json.loads(run([str(tools / start[0]), *start[1:]], cloud.environment()))
    states = cloud.client("stepfunctions")
    description = execution.follow(states, started["executionArn"], Table().show)
    seconds = time.time() - before
    if description["status"] != "SUCCEEDED":
        raise DemoFailed(_reason(description))
    result = json.loads(description["output"])
    if result["status"] == "PLANNED":
        print("\nwhat an apply would change; nothing was changed now")
        print("\n".join(result["table"]))
        for finding in result["findings"]:
            print(f"{finding['severity']} {finding['code']}{' at ' + finding['field'] if finding.get('field') else ''}: {finding['found']}")
            if finding.get("next"):
                print(f"  {finding['next']}")
        return seconds
    if result["operation"] == "delete":
        print("\n".join(_removed(result)))
        print("\n  make demo-stop     # ends everything\n")
        return seconds
    print("\nresult document")
    print(json.dumps(result, indent=2))
    _look(cloud, result)
    _calls(cloud, result, before)
    _explore(started["executionArn"], path)
    return seconds


def _removed(result: dict[str, Any]) -> list[str]:
    """What became of the environment, in lines."""
    lines = [f"  {what}" for what in result["removed"]] or ["  nothing: nothing was there any more"]
    lines = ["", f"removed ({len(result['removed'])})", *lines]
    for title, left in (("kept", result["kept"]), ("orphaned", result["orphaned"])):
        lines += ["", f"{title} ({len(left)})"]
        for line in left:
            lines += [f"  {line['what']}", f"    {line['why']}"]
    if result["orphaned"]:
        lines += ["", "somebody has to look at what is orphaned: see docs/operations.md, Removing an environment"]
    return lines


def _given(cloud: Cloud, request: str, path: pathlib.Path | None) -> str:
    """Makes what the request takes as given; the request as it has to be here, as the command line takes it."""
    document = json.loads(request)
    here = given.provide(cloud, document) if isinstance(document, dict) else document
    if here != document:
        print(f"  the network team has made {here['vpcId']}, which takes the place of the request's VPC")
        path = path and LOCAL / "request.json"
        if path:
            path.write_text(json.dumps(here, indent=2) + "\n")
    return f"file://{path}" if path else json.dumps(here)


def _reason(description: dict[str, Any]) -> str:
    cause = description.get("cause", "")
    print(f"\n{description.get('error', description['status'])}\n{cause}")
    try:
        document = json.loads(cause)
    except ValueError:
        return f"execution: {cause.splitlines()[0] if cause else description['status']}"
    first, *findings = document["message"].splitlines()
    # A heading's lines are what it is about; the first of them says more than a colon.
    return f"{document['stage']}: {first}{' ' + findings[0].removeprefix('- ') if findings and first.endswith(':') else ''}"


def _look(cloud: Cloud, result: dict[str, Any]) -> None:
    """Reads the cluster through the environment's own kubectl function."""
    cluster = Cluster(cloud, result)
    print(f"\nread through {result['kubectl']['functionArn'].rpartition(':')[2]}")
    for kind, title in (("nodes", "nodes"), ("namespaces", "namespaces"), ("clusterroles", "cluster roles")):
        names = [item["metadata"]["name"] for item in cluster.list(kind)]
        shown = [n for n in names if not n.startswith("system:")]
        hidden = len(names) - len(shown)
        print(f"  {title:<14} {', '.join(shown)}" + (f" and {hidden} of Kubernetes' own" if hidden else ""))


def _calls(cloud: Cloud, result: dict[str, Any], since: float) -> None:
    """Shows what the execution changed, counted where it arrived: at the endpoint and at the API server."""
    counted = run([sys.executable, "-m", "localcloud", "calls", "--dir", str(cloud.directory), "--since", f"{since:.3f}", "--mutating"])
    print(f"\nmutating calls of this execution\n{counted.rstrip()}")
    writes = audit.writes(cloud, result["cluster"]["name"], since)
    for what, count in sorted(writes.items()):
        print(f"{count:6}  {'Kubernetes':<12}  {what}")
    print(f"{writes.total():6}  in the cluster")
    print(f"  (those in {cloud.platform_account} are the orchestrator's own: its lock, its history, the start itself)")


def _explore(arn: str, path: pathlib.Path | None) -> None:
    request = f" REQUEST={path}" if path and path.resolve() != DEFAULT.resolve() else ""
    again, delete = f"make demo{request}", f"make demo-delete{request}"
    width = max(len(again), len(delete))
    print("\nto look further")
    aws = "  .local/venv/cloud/bin/aws"
    print("  set -a; . .local/cloud.env; set +a")
    print(f"{aws} stepfunctions describe-execution --execution-arn {arn}")
    print(f"{aws} stepfunctions get-execution-history --execution-arn {arn} --max-items 20")
    print(f"  {again:<{width}}   # the same request again: nothing is changed")
    print(f"  {delete:<{width}}   # removes the environment")
    print(f"  {'make demo-stop':<{width}}   # ends everything\n")


if __name__ == "__main__":
    sys.exit(main())
