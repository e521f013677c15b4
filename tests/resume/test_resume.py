"""Wherever a provisioning or a removal ended, the same request again comes to the end of an undisturbed one.

Each environment has a region to itself. By default one point of each kind is struck, and each kind of
half-made stack comes about once or twice; FAULTS=all strikes every point in every way, and every stack.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import os
import traceback

import pytest

from e2e.exposed import INGRESSES, SERVICES, expose
from e2e.provider import Request, example
from e2e.removal import deletion, may_stay
from e2e.world import World
from faults.scenario import Stage
from localcloud import snapshot
from localcloud.extension.eks.kube import KubeClient
from localcloud.snapshot import Snapshot
from resume import end, lives
from resume.lifetime import Lifetime
from resume.lives import AFTER, BEFORE, PARTS, REFUSED, REPLACEABLE, TAGS, TOGETHER, Course, Story
from resume.point import Point

ALL = os.environ.get("FAULTS") == "all"
WAYS = (BEFORE, AFTER, REFUSED)
AT_ONCE = 4
REGIONS = (
    "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-1", "us-east-2", "ap-northeast-1", "eu-west-2", "eu-north-1",
    "ca-central-1", "sa-east-1", "ap-south-1", "us-west-1", "ap-southeast-2",
)  # fmt: skip


def request(name: str, region: str) -> Request:
    """The request for an environment in a region."""
    return example("fargate", name=name, awsRegion=region)


def short(points: list[Point]) -> list[Point]:
    """The first point of each kind, in their order."""
    found: dict[str, Point] = {}
    for point in points:
        found.setdefault(point.kind, point)
    return list(found.values())


def dealt(points: list[Point]) -> dict[str, list[tuple[Point, str]]]:
    """The strikes of each environment: every point in one way, or in all; no two neighbours in the same environment."""
    hands: dict[str, list[tuple[Point, str]]] = {f"struck-{number}": [] for number in range(1, len(WAYS) + 1)}
    for number, point in enumerate(points):
        for shift, hand in enumerate(hands.values()):
            if ALL or number % len(WAYS) == shift:
                way = WAYS[(number // (1 if ALL else len(WAYS)) + shift) % len(WAYS)]
                # What Verify may not do is a finding, and fails nothing.
                hand.append((point, AFTER if way == REFUSED and "probe" in str(point) else way))
    return hands


@pytest.fixture(scope="module")
def undisturbed(stage: Stage, world: World) -> tuple[Lifetime, list[Point], Snapshot, Snapshot]:
    """The environment that the others are compared with: what made it, and what it came to, before and after a change."""
    lifetime = Lifetime(stage, world.layout, request("life-whole", "eu-west-3"))
    points = lifetime.record()
    first = end.of(snapshot.take(world.layout), lifetime.place)
    lifetime.run(**TAGS).succeeded()
    return lifetime, points, first, end.of(snapshot.take(world.layout), lifetime.place)


@pytest.fixture(scope="module")
def courses(stage: Stage, world: World, undisturbed: tuple[Lifetime, list[Point], Snapshot, Snapshot]) -> dict[str, Course]:
    """All environments, some at a time, each with its story told to the end."""
    lifetime, points, *_ = undisturbed
    resources = lives.resources_of(world, lifetime)
    stories: dict[str, Story] = {
        "rolled-back": lambda course: lives.rolled_back(course, world, resources, TOGETHER if ALL else TOGETHER[:1]),
        "updated": lambda course: (
            lives.updated(course, world, resources, TOGETHER if ALL else (("Egress",),)),
            lives.half_deleted(course, world, resources, REPLACEABLE if ALL else REPLACEABLE[:1]),
        )[0],
    }
    for name, strikes in dealt(points if ALL else short(points)).items():
        stories[name] = lambda course, strikes=strikes: lives.crashed(course, strikes)
    told = {}
    for (name, story), region in zip(stories.items(), itertools.cycle(REGIONS)):
        told[name] = (Course(Lifetime(stage, world.layout, request(f"life-{name}", region))), story)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(lambda each: _tell(*each), told.values()))
    return {name: course for name, (course, _) in told.items()}


def _tell(course: Course, story: Story) -> None:
    try:
        story(course)
        course.settle()
    except Exception:  # the other environments go on
        course.problems.append(f"after {course.events[-1:]}: {traceback.format_exc()}")


NAMES = ("struck-1", "struck-2", "struck-3", "rolled-back", "updated")


def test_every_kind_of_point_is_there(undisturbed: tuple[Lifetime, list[Point], Snapshot, Snapshot]) -> None:
    _, points, *_ = undisturbed
    made = [point.target.rpartition("-")[2] for point in points if point.action == "CreateStack"]
    assert sorted(made) == sorted([*PARTS, "Bootstrap", "DeleteHook"])
    print(*points, sep="\n")
    kinds = {point.kind for point in points}
    assert {"helm POST pending-install", "helm PUT deployed"} <= kinds
    assert len([kind for kind in kinds if kind.startswith("kubernetes ")]) >= 5, kinds


@pytest.mark.parametrize("name", NAMES)
def test_execution_ends_as_it_should_at_every_point(courses: dict[str, Course], name: str) -> None:
    print(*courses[name].events, "", *courses[name].problems, sep="\n")
    assert courses[name].events
    assert courses[name].problems == []


@pytest.mark.parametrize("name", NAMES)
def test_same_request_comes_to_the_same_end(
    courses: dict[str, Course], undisturbed: tuple[Lifetime, list[Point], Snapshot, Snapshot], world: World, name: str
) -> None:
    course = courses[name]
    wanted = undisturbed[3 if course.changes else 2]
    got = end.of(snapshot.take(world.layout), course.lifetime.place)
    found = end.compare(wanted, got)
    print(*found, sep="\n")
    assert found == []


STRUCK = NAMES[:3]


@dataclasses.dataclass(frozen=True)
class Removal:
    """Environments that were removed: one undisturbed, and others that were struck on their way."""

    points: list[Point]
    wanted: Snapshot
    """What is left of the undisturbed one, and may not: of the others it must be as much."""
    courses: dict[str, Course]


@pytest.fixture(scope="module")
def removal(stage: Stage, world: World, undisturbed: tuple[Lifetime, list[Point], Snapshot, Snapshot], courses: dict[str, Course]) -> Removal:
    """The environments that were struck while they were made, struck again while they are removed; with applications that the world knows."""
    whole = _removing(world, undisturbed[0])
    points = whole.record()
    wanted = _left(world, whole)
    struck = {name: Course(_removing(world, courses[name].lifetime)) for name in STRUCK}
    strikes = dealt(points)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(lambda name: _tell(struck[name], lambda course: lives.crashed(course, strikes[name])), STRUCK))
    return Removal(points, wanted, struck)


def _left(world: World, lifetime: Lifetime) -> Snapshot:
    """What is left of an environment that was removed, and may not."""
    entries = snapshot.take(world.layout)
    return end.of({key: value for key, value in entries.items() if not may_stay(key, value)}, lifetime.place)


def _removing(world: World, lifetime: Lifetime) -> Lifetime:
    """An environment at the end of its life."""
    kube = KubeClient(world.layout.clusters / lifetime.place.cluster / "admin.kubeconfig")
    for path in (INGRESSES, SERVICES):
        expose(kube, path, "web")
    return dataclasses.replace(lifetime, request=deletion(lifetime.request))


def test_every_kind_of_point_of_a_removal_is_there(removal: Removal) -> None:
    print(*removal.points, sep="\n")
    deleted = [point.target.split("/")[1].rpartition("-")[2] for point in removal.points if point.action == "DeleteStack"]
    assert sorted(deleted) == sorted(PARTS)
    kinds = {point.kind for point in removal.points}
    assert {"kubernetes DELETE core", "kubernetes DELETE networking.k8s.io", "kms ScheduleKeyDeletion"} <= kinds


@pytest.mark.parametrize("name", STRUCK)
def test_removal_ends_as_it_should_at_every_point(removal: Removal, name: str) -> None:
    course = removal.courses[name]
    print(*course.events, "", *course.problems, sep="\n")
    assert course.events
    assert course.problems == []


@pytest.mark.parametrize("name", STRUCK)
def test_same_removal_comes_to_the_same_end(removal: Removal, world: World, name: str) -> None:
    course = removal.courses[name]
    left = _left(world, course.lifetime)
    found = end.compare(removal.wanted, {key: value for key, value in left.items() if not key.startswith("kms._keys/")})
    print(*found, sep="\n")
    assert found == []
    # Also after a removal that died between the deletion of the stack with the key and that of the key.
    assert [key for key in left if key.startswith("kms._keys/")] == []
