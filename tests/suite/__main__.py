"""Runs every group of tests, shows what failed or was skipped and why, and counts."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from suite.group import Go, Group, Python

LIVE = "^TestLive"
"""Tests that start a control plane have names with this prefix."""

UNIT = ("./functions/...", "./internal/...", "./infra/templates/...", "./statemachine/...", "./tests/contract/...")

_GROUP_GIB = 5
"""What a local cloud with the clusters of the examples takes at most."""

_NEWS_SECONDS = 60.0


def quick() -> Iterator[Group]:
    """First, by themselves: they use every processor, and who has broken one of them need not wait for the others."""
    yield Go("unit and contract tests", arguments=(f"-skip={LIVE}", *UNIT))


def slow(everything: bool) -> Iterator[Group]:
    """The longest first. Each has a local cloud of its own, so some run side by side."""
    yield Python("end to end", arguments=("tests/e2e",))
    yield Python("resuming", arguments=("tests/resume",))
    yield Python("second interpreter and faults", arguments=("tests/faults",))
    yield Go("against a real API server", arguments=(f"-run={LIVE}", "-timeout=10m", "./internal/..."))
    yield Python("local cloud", arguments=("tests/localcloud/tests",))
    yield Go("local control plane", folder="tests/localcloud/kubernetes", arguments=("./internal/...", "./smoke/..."))
    if everything:
        yield Python("every combination", arguments=("tests/e2e", "-m", "matrix"))


def at_once() -> int:
    """One more than there are processors, since each group waits for a part of its time, if there is memory for them."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return max(1, min((os.cpu_count() or 1) + 1, gib // _GROUP_GIB))


class Suite:
    """Groups of tests, some of them running."""

    def __init__(self) -> None:
        self._print, self._over = threading.Lock(), threading.Event()
        self._running: list[Group] = []
        self.ended: list[Group] = []

    def run(self, groups: Iterable[Group], at_once: int) -> None:
        """Runs groups in their order, and tells of each when it has ended."""
        with ThreadPoolExecutor(at_once) as executor:
            list(executor.map(self._run, groups))

    def _run(self, group: Group) -> None:
        begun = time.monotonic()
        self._say(f"== {group.title}")
        self._running.append(group)
        group.run()
        self._running.remove(group)
        self.ended.append(group)
        seconds = time.monotonic() - begun
        self._say("".join(group.output), f"== {group.title}: {group.passed} passed, {group.failed} failed, {len(group.skipped)} skipped in {seconds:.0f} s")

    def _say(self, *lines: str) -> None:
        with self._print:
            print(*filter(None, lines), sep="\n", flush=True)

    def tell(self) -> None:
        """Says now and then how far the running groups are, until the suite is over."""
        while not self._over.wait(_NEWS_SECONDS):
            self._say("   " + ", ".join(f"{group.title}: {group.ended} tests ended" for group in list(self._running)))

    def over(self) -> None:
        """Ends the telling."""
        self._over.set()


def main() -> int:
    """Runs the suite; with --all the long tests too."""
    everything, started, suite = "--all" in sys.argv[1:], time.monotonic(), Suite()
    if everything:
        os.environ["FAULTS"] = "all"
    threading.Thread(target=suite.tell, daemon=True).start()
    suite.run(quick(), 1)
    suite.run(slow(everything), at_once())
    suite.over()

    skipped = [line for group in suite.ended for line in group.skipped]
    failed = sum(group.failed for group in suite.ended)
    if skipped:
        print("skipped, and why:", *skipped, sep="\n  ")
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"{sum(group.passed for group in suite.ended)} passed, {failed} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
