"""A group of tests: run by the program that understands them, counted test by test."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from collections.abc import Iterator, Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".aws-sam" / "build"
KUBERNETES = ROOT / ".local" / "bin" / "kubernetes"
# What an environment of this version gets.
KUBECTL = BUILD / "KubectlLayer136" / "kubectl" / "kubectl"

_ENDED = re.compile(r"^\S+::.* (PASSED|FAILED|ERROR|SKIPPED)\b")


@dataclasses.dataclass
class Group:
    """Tests of one kind. The counts grow while it runs, so that others can tell how far it is."""

    title: str
    passed: int = 0
    failed: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    output: list[str] = dataclasses.field(default_factory=list)
    """What is to be read of those that failed."""

    @property
    def ended(self) -> int:
        """How many tests have ended."""
        return self.passed + self.failed + len(self.skipped)

    def run(self) -> None:
        """Runs the tests."""
        raise NotImplementedError

    def _lines(self, command: Sequence[str], folder: pathlib.Path, environment: Mapping[str, str]) -> Iterator[str]:
        """The output of a command as it comes. A command that fails without a failed test is a failure all the same."""
        process = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        yield from process.stdout or ()
        self.failed += bool(process.wait()) and not self.failed


@dataclasses.dataclass
class Go(Group):
    """Go tests of a module."""

    folder: str = "."
    arguments: Sequence[str] = ()

    def run(self) -> None:
        """Runs them; what a test has written is kept if it fails, and what is no test's always."""
        environment = {"KUBERNETES_BINARY": str(KUBERNETES), "KUBECTL_BINARY": str(KUBECTL), "SAM_BUILD": str(BUILD), "CGO_ENABLED": "0"}
        written: dict[tuple[str, str], list[str]] = {}
        for line in self._lines(["go", "test", "-json", "-trimpath", *self.arguments], ROOT / self.folder, environment):
            try:
                event = json.loads(line)
            except ValueError:
                self.output.append(line)
                continue
            # What a build has written names the package otherwise.
            package = event.get("Package") or event.get("ImportPath", "")
            self._note(event, written.setdefault((package, event.get("Test", "")), []))

    def _note(self, event: dict[str, str], written: list[str]) -> None:
        test = event.get("Test", "")
        match event["Action"]:
            case "output" | "build-output":
                written.append(event["Output"])
            case "pass" if test:
                self.passed += 1
            case "skip" if test:
                reason = "".join(line.strip() for line in written if not line.lstrip().startswith(("===", "---")))
                self.skipped.append(f"{event['Package']}.{test}: {reason}")
            case "fail":
                self.failed += bool(test)
                self.output += written
            case "build-fail":
                self.output += written


@dataclasses.dataclass
class Python(Group):
    """Tests that pytest runs."""

    arguments: Sequence[str] = ()

    def run(self) -> None:
        """Runs them; everything is kept but the lines of tests that passed."""
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "--override-ini=addopts=",
                "-v",
                "--no-header",
                "-p",
                "no:cacheprovider",
                f"--junitxml={report.name}",
                *self.arguments,
            ]
            for line in self._lines(command, ROOT, {"KUBERNETES_BINARY": str(KUBERNETES), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}):
                ended = _ENDED.match(line)
                match ended and ended[1]:
                    case "PASSED":
                        self.passed += 1
                    case "FAILED" | "ERROR":
                        self.failed += 1
                    case "SKIPPED":
                        pass  # the report has the reason whole
                    case _:
                        self.output.append(line)
            self.skipped += _skipped(report.name)
        if not self.ended:
            self.failed += 1
            self.output.append("no test has run\n")
        if not self.failed:
            self.output.clear()


def _skipped(report: str) -> list[str]:
    try:
        cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    except xml.etree.ElementTree.ParseError:
        return []
    skips = ((case, case.find("skipped")) for case in cases)
    return [f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}" for case, skip in skips if skip is not None]
