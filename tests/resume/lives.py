"""What environments go through before the same request comes once more, undisturbed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

from e2e.provider import Execution
from e2e.world import World, eventually
from localcloud import obstacles
from localcloud.obstacles import Obstacle
from resume.lifetime import Lifetime
from resume.point import Point

BEFORE, AFTER, REFUSED = "before", "after", "refused"
"""The functions die before a call is made, or after it; or the call is refused for good."""

TOGETHER = (("Network", "Identity"), ("Cluster", "Egress", "Kubectl"), ("Capacity", "AddonRoles"), ("Stack",))
"""The stacks of an environment in the order in which they are made, those side by side that are made so."""

PARTS = tuple(part for parts in TOGETHER for part in parts)

UNTAGGED = ("Layer",)
"""What has no tags and is not touched by such a change."""

REPLACEABLE = ("Capacity", "AddonRoles", "Egress", "Kubectl")
"""The stacks that nothing else of an environment stands on. Who deletes network, keys or cluster by hand has removed the
environment, and who deletes the provider stack has asked for that."""

TAGS = {"tags": {"cost-center": "4711"}}
"""What changes every stack of an environment."""


@dataclasses.dataclass
class Course:
    """What an environment went through, and what was not as it should have been."""

    lifetime: Lifetime
    changes: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """What its request has that the first one had not."""
    events: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    ended: Execution | None = None
    """The execution that nothing was in the way of."""

    def expect(self, what: str, holds: bool, otherwise: object = "") -> None:
        """Notes an event, and a problem where it was another one."""
        self.events.append(what)
        if not holds:
            self.problems.append(f"{what}: {otherwise}")

    def settle(self) -> None:
        """The same request once more, with nothing in its way."""
        ended = self.lifetime.run(**self.changes)
        self.ended = ended
        self.expect("the same request again", ended.status == "SUCCEEDED", ended.description.get("cause"))


def crashed(course: Course, strikes: Sequence[tuple[Point, str]]) -> None:
    """Cut off at one point after the other, each time with the same request again."""
    points = [point for point, _ in strikes]
    for number, (point, how) in enumerate(strikes, start=1):
        # What is made side by side must not be made before its own turn has come.
        with course.lifetime.without(points[number:]):
            if how == REFUSED:
                _failed(course, f"{point} is refused", course.lifetime.refuse(point))
            else:
                course.expect(f"dead {how} {point}", course.lifetime.crash(point, made=how == AFTER), "the execution never came there")


def rolled_back(course: Course, world: World, resources: dict[str, list[str]], together: Sequence[Sequence[str]]) -> None:
    """The last resource of a stack cannot be made; then its first one cannot be taken back either."""
    for parts in together:
        several = [part for part in parts if len(resources[part]) > 1]
        made = [(part, resources[part][-1], "create", 0) for part in parts]
        taken_back = [(part, resources[part][0], "delete", 0) for part in several]
        _obstructed(course, world, dict.fromkeys(parts, "ROLLBACK_COMPLETE"), made)
        if several:
            alone = dict.fromkeys(parts, "ROLLBACK_COMPLETE")
            _obstructed(course, world, alone | dict.fromkeys(several, "ROLLBACK_FAILED"), [*made, *taken_back])


def updated(course: Course, world: World, resources: dict[str, list[str]], together: Sequence[Sequence[str]]) -> None:
    """A change of every stack fails at its last resource; then the way back fails at its first one too."""
    course.lifetime.run().succeeded()
    course.changes = TAGS
    for parts in together:
        several = [part for part in parts if len(resources[part]) > 1]
        made = [(part, resources[part][-1], "update", 0) for part in parts]
        taken_back = [(part, next(r for r in resources[part] if r not in UNTAGGED), "update", 1) for part in several]
        _obstructed(course, world, dict.fromkeys(parts, "UPDATE_ROLLBACK_COMPLETE"), made)
        if several:
            alone = dict.fromkeys(parts, "UPDATE_ROLLBACK_COMPLETE")
            _obstructed(course, world, alone | dict.fromkeys(several, "UPDATE_ROLLBACK_FAILED"), [*made, *taken_back])


def half_deleted(course: Course, world: World, resources: dict[str, list[str]], parts: Sequence[str]) -> None:
    """Somebody deletes a stack, and its first resource stays: the last one to be removed."""
    course.settle()
    place = course.lifetime.place
    client = world.target("cloudformation", place.region)
    for part in parts:
        obstacle = Obstacle(place.stack(part), resources[part][0], "delete", place.region)
        with _standing(course.lifetime, obstacle):
            client.delete_stack(StackName=place.stack(part))
            status = eventually(lambda part=part: _at_rest(world, course.lifetime, part), f"{part} is deleted")
        course.expect(f"{part} is DELETE_FAILED", status == "DELETE_FAILED", status)
        course.settle()


@contextlib.contextmanager
def _standing(lifetime: Lifetime, obstacle: Obstacle):
    obstacles.add(lifetime.layout, obstacle)
    try:
        yield
    finally:
        obstacles.remove(lifetime.layout, obstacle)


def _obstructed(course: Course, world: World, wanted: dict[str, str], blocked: list[tuple[str, str, str, int]]) -> None:
    ended = course.lifetime.obstruct(*blocked, **course.changes)
    _failed(course, f"cannot: {blocked}", ended)
    found = {part: _at_rest(world, course.lifetime, part) for part in wanted}
    course.expect(f"left {wanted}", found == wanted, found)


def _failed(course: Course, what: str, ended: Execution) -> None:
    """The execution has failed, and says what to do."""
    course.expect(what, ended.status == "FAILED" and bool(ended.cause.get("next")), ended.description.get("cause") or ended.status)
    course.expect(f"{what}: recorded", any(row["execution"] == ended.arn for row in course.lifetime.stage.provider.past(course.lifetime.request)))


def _at_rest(world: World, lifetime: Lifetime, part: str) -> str:
    """A stack's status, once it is at rest."""
    stacks = world.stacks(lifetime.place.account, lifetime.place.region)
    status = stacks.get(lifetime.place.stack(part), {}).get("StackStatus", "not there")
    return "" if status.endswith("_IN_PROGRESS") else status


def resources_of(world: World, lifetime: Lifetime) -> dict[str, list[str]]:
    """The logical ids of each stack's resources, in the order in which they were made."""
    client = world.target("cloudformation", lifetime.place.region)
    found = {}
    for part in PARTS:
        pages = client.get_paginator("describe_stack_events").paginate(StackName=lifetime.place.stack(part))
        events = [event for page in pages for event in page["StackEvents"]]
        made = [e["LogicalResourceId"] for e in reversed(events) if e["ResourceStatus"] == "CREATE_COMPLETE" and e["PhysicalResourceId"] != e["StackId"]]
        found[part] = made
    return found


Story = Callable[[Course], None]
