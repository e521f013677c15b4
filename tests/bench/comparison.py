"""The kubectl function beside the AWS CDK's handler: the same requests, the same cluster, in turns.

Every sample is checked: after it the cluster must hold what the request asks for. The contestants take
turns case by case and sample by sample, so that a machine whose speed drifts is fair to all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from . import cgroup, cluster, functions, sts
from .baseline import Baseline
from .runtime import Answer, Function

BASELINE = functions.ROOT / ".local" / "baseline"
# A function with 1024 MB has this part of a processor: one whole at 1769 MB.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
CORES_OF_1024_MB = 0.58
MANY = 20

# Milliseconds of the samples, by case and contestant.
Times = dict[str, dict[str, list[float]]]


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured, the requests that come before it, and what must be true after it."""

    title: str
    goal: float
    event: dict[str, Any]
    before: tuple[dict[str, Any], ...]
    holds: Callable[[Any], bool]
    cold: bool = False


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A function, how it is started, and its process while it is warm."""

    name: str
    command: list[str]
    variables: dict[str, str]
    directory: pathlib.Path

    def start(self, group: pathlib.Path | None) -> Function:
        """Starts a process of the function."""
        return Function(self.command, self.variables, self.directory / "function.log", group)


class Wrong(Exception):
    """A sample left the cluster in another state than asked for."""


def manifest(count: int, value: str) -> str:
    """ConfigMaps as the CDK sends them."""
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"object-{i}", "namespace": "default"}, "data": {"key": value}} for i in range(count)
    ]
    return json.dumps(objects)


def chart() -> bytes:
    """A chart of one ConfigMap, packed as the CDK packs a chart asset."""
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-object\ndata:\n  key: {{ .Values.key }}\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\n")
        files.writestr("values.yaml", "key: unset\n")
        files.writestr("templates/object.yaml", template)
    return archive.getvalue()


def cases(on: cluster.Cluster) -> list[Case]:
    """The cases, with the goals that the project set itself."""
    resource, one, many = "KubernetesResource", manifest(1, "first"), manifest(MANY, "first")

    def all_hold(value: str | None, count: int) -> Callable[[Any], bool]:
        wanted = None if value is None else {"key": value}
        return lambda _: all(on.data(f"object-{i}") == wanted for i in range(count))

    create_one = on.event("Create", resource, Manifest=one)
    create_many = on.event("Create", resource, Manifest=many)
    patch = on.event(
        "Create",
        "KubernetesPatch",
        ResourceName="configmap/object-0",
        ResourceNamespace="default",
        PatchType="merge",
        ApplyPatchJson='{"data":{"key":"patched"}}',
        RestorePatchJson='{"data":{"key":"first"}}',
    )
    get = on.event(
        "Create",
        "KubernetesObjectValue",
        ObjectType="configmap",
        ObjectName="object-0",
        ObjectNamespace="default",
        JsonPath="@",
        TimeoutSeconds="10",
    )
    address = on.upload("small.zip", chart())
    install = on.event(
        "Create",
        "HelmChart",
        Release="small",
        ChartAssetURL=address,
        Namespace="default",
        Values='{"key":"first"}',
    )

    def got(answer: Any) -> bool:
        return json.loads(answer["Data"]["Value"])["data"] == {"key": "first"}

    def installed(_: Any) -> bool:
        return on.releases() == {"small": "deployed"} and on.data("small-object") == {"key": "first"}

    return [
        Case("create one object", 40, create_one, (), all_hold("first", 1)),
        Case("apply one object again", 40, on.event("Update", resource, Manifest=one), (create_one,), all_hold("first", 1)),
        Case("get one object", 40, get, (create_one,), got),
        Case("patch one object", 40, patch, (create_one,), all_hold("patched", 1)),
        Case(f"create {MANY} objects", 10, create_many, (), all_hold("first", MANY)),
        Case(f"apply {MANY} objects again", 15, on.event("Update", resource, Manifest=many), (create_many,), all_hold("first", MANY)),
        Case(f"delete {MANY} objects", 20, on.event("Delete", resource, Manifest=many), (create_many,), all_hold(None, MANY)),
        Case("Helm install of a small chart", 5, install, (), installed),
        Case("create one object, cold", 5, create_one, (), all_hold("first", 1), cold=True),
    ]


def contestants(on: cluster.Cluster, baseline: Baseline, proxied: dict[str, str], directory: pathlib.Path) -> list[Contestant]:
    """Ours and the two variants of the CDK's."""
    settings = on.cloud.settings
    common = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": settings["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": settings["AWS_SECRET_ACCESS_KEY"],
    }
    endpoint = settings["AWS_ENDPOINT_URL"]
    theirs = proxied | {"AWS_ENDPOINT_URL_EKS": endpoint, "AWS_ENDPOINT_URL_S3": endpoint}
    found = []
    ours = common | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "ASSUMABLE_ROLES": on.role,
        "HOME": "/tmp",
        "PATH": "/usr/bin:/bin",
    }
    program = [str(functions.BUILD / "KubectlFunction" / "bootstrap")]
    found.append(("ours", program, ours))
    for name, variant in (("CDK, compiled", "compiled"), ("CDK, its layer", "layer")):
        found.append((name, baseline.command(), common | theirs | baseline.variables(variant, directory / variant)))
    made = []
    for name, command, variables in found:
        own = directory / name.replace(" ", "-").replace(",", "")
        own.mkdir(exist_ok=True)
        made.append(Contestant(name, command, variables, own))
    return made


def measure(on: cluster.Cluster, all_cases: list[Case], entered: list[Contestant], samples: int, group: pathlib.Path | None) -> Times:
    """Milliseconds by case and contestant."""
    took: Times = {case.title: {who.name: [] for who in entered} for case in all_cases}
    with contextlib.ExitStack() as processes:
        warm = {}
        for who in entered:
            warm[who.name] = who.start(group)
            processes.callback(warm[who.name].close)
        for case in all_cases:
            # The first turn warms caches up and is not counted.
            for turn in range(samples + 1):
                print(f"  {case.title}: {turn} of {samples}", file=sys.stderr, flush=True)
                for who in entered:
                    answer = sample(on, case, who, warm[who.name], group)
                    if turn:
                        took[case.title][who.name].append(answer.milliseconds)
    return took


def sample(on: cluster.Cluster, case: Case, who: Contestant, warm: Function, group: pathlib.Path | None) -> Answer:
    """Runs a case once and checks what it left behind."""
    on.clear()
    for event in case.before:
        warm.invoke(event)
    if case.cold:
        fresh = who.start(group)
        try:
            answer = fresh.cold(case.event)
        finally:
            fresh.close()
    else:
        answer = warm.invoke(case.event)
    if not case.holds(answer.body):
        raise Wrong(f"{who.name}: {case.title}: the cluster is not as asked for")
    return answer


def peak(on: cluster.Cluster, ours: Contestant, group: pathlib.Path | None) -> float:
    """The memory that our function takes at most while it makes, applies and deletes the objects, in MB."""
    on.clear()
    function = ours.start(group)
    try:
        for request in ("Create", "Update", "Delete"):
            function.invoke(on.event(request, "KubernetesResource", Manifest=manifest(MANY, "first")))
        return function.peak_megabytes()
    finally:
        function.close()


def table(all_cases: list[Case], took: Times, entered: list[Contestant]) -> Iterator[str]:
    """The medians, with how many times faster ours is than each of the others."""
    ours, *others = [who.name for who in entered]
    head = [f"{ours}, ms"] + [f"{name}, ms" for name in others] + [f"against {name.split(', ')[1]}" for name in others]
    yield "| Warm, unless it says cold | " + " | ".join(head) + " | Goal |"
    yield "|---" * (len(head) + 2) + "|"
    for case in all_cases:
        medians = {name: statistics.median(values) for name, values in took[case.title].items()}
        cells = [f"{medians[ours]:.1f}"] + [f"{medians[name]:.0f}" for name in others]
        cells += [f"{medians[name] / medians[ours]:.1f} ×" for name in others]
        yield f"| {case.title} | " + " | ".join(cells) + f" | {case.goal:.0f} × |"


def report(directory: pathlib.Path, samples: int) -> None:
    """Prints the comparison, with all of the processor and with a 1024 MB function's part of it."""
    baseline = Baseline(directory)
    baseline.install()
    print(f"\n{platform.system()} {platform.machine()}, {os.cpu_count()} cores, medians of {samples} samples, contestants in turns\n")
    with cluster.running() as on, tempfile.TemporaryDirectory() as folder, sts.proxy(on.cloud.settings["AWS_ENDPOINT_URL"], pathlib.Path(folder)) as proxied:
        entered = contestants(on, baseline, proxied, pathlib.Path(folder))
        all_cases = cases(on)
        print("\n".join(table(all_cases, measure(on, all_cases, entered, samples, None), entered)), flush=True)
        print(f"\npeak memory of ours, {MANY} objects: {peak(on, entered[0], None):.0f} MB")
        with cgroup.limited(CORES_OF_1024_MB) as group:
            if group is None:
                print("\nnot measured with less processor: that needs a writable cpu control group, and so root on most machines")
                return
            print(f"\nWith {CORES_OF_1024_MB} of a processor, as a function with 1024 MB has:\n")
            print("\n".join(table(all_cases, measure(on, all_cases, entered, samples, group), entered)), flush=True)
