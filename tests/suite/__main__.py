"""Runs every group of tests, shows what failed or was skipped and why, and counts."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".aws-sam" / "build"
KUBERNETES = ROOT / ".local" / "bin" / "kubernetes"
# What an environment of this version gets.
KUBECTL = ROOT / ".aws-sam" / "build" / "KubectlLayer136" / "kubectl" / "kubectl"


@dataclasses.dataclass
class Count:
    """How the tests of a group ended."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)


def go(folder: str, *arguments: str) -> Count:
    """Runs Go tests; prints the output of those that failed."""
    environment = os.environ | {"KUBERNETES_BINARY": str(KUBERNETES), "KUBECTL_BINARY": str(KUBECTL), "SAM_BUILD": str(BUILD), "CGO_ENABLED": "0"}
    process = subprocess.Popen(
        ["go", "test", "-json", "-trimpath", *arguments],
        cwd=ROOT / folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    count, output = Count(), {}
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")
            continue
        name = (event.get("Package", ""), event.get("Test", ""))
        match event["Action"]:
            case "output" | "build-output":
                output.setdefault(name, []).append(event["Output"])
            case "pass" if name[1]:
                count.passed += 1
            case "skip" if name[1]:
                reason = "".join(line.strip() for line in output.get(name, []) if not line.lstrip().startswith(("===", "---")))
                count.skipped.append(f"{name[0]}.{name[1]}: {reason}")
            case "fail":
                count.failed += bool(name[1])
                print("".join(output.get(name, [])), end="")
    if process.wait() and not count.failed:
        # A package that does not build fails without a failed test.
        print("".join(text for lines in output.values() for text in lines[-20:]))
        count.failed += 1
    return count


def python(*paths: str) -> Count:
    """Runs pytest; its own output says what failed."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        code = subprocess.run(
            [sys.executable, "-m", "pytest", "--quiet", "--no-header", "-p", "no:cacheprovider", f"--junitxml={report.name}", *paths],
            cwd=ROOT,
            env=os.environ | {"KUBERNETES_BINARY": str(KUBERNETES)},
            check=False,
        ).returncode
        count = Count()
        try:
            cases = xml.etree.ElementTree.parse(report.name).getroot().iter("testcase")
        except xml.etree.ElementTree.ParseError:
            return Count(failed=1)
        for case in cases:
            skipped = case.find("skipped")
            if skipped is not None:
                count.skipped.append(f"{case.get('classname')}.{case.get('name')}: {skipped.get('message')}")
            elif case.find("failure") is not None or case.find("error") is not None:
                count.failed += 1
            else:
                count.passed += 1
        if code and not count.failed:
            count.failed += 1
        return count


# Tests that start a control plane have names with this prefix.
LIVE = "^TestLive"
UNIT = ("./functions/...", "./internal/...", "./infra/templates/...", "./statemachine/...", "./tests/contract/...")


def main() -> int:
    """Runs the groups in the order of their speed; with --all the long ones too."""
    total, started = Count(), time.monotonic()
    long = ()
    if "--all" in sys.argv[1:]:
        os.environ["FAULTS"] = "all"
        long = (("every combination", lambda: python("tests/e2e", "-m", "matrix")),)
    for title, run in (
        ("unit and contract tests", lambda: go(".", f"-skip={LIVE}", *UNIT)),
        ("against a real API server", lambda: go(".", f"-run={LIVE}", "-timeout=5m", "./internal/...")),
        ("local control plane", lambda: go("tests/localcloud/kubernetes", "./internal/...", "./smoke/...")),
        ("local cloud", lambda: python("tests/localcloud/tests")),
        ("end to end", lambda: python("tests/e2e")),
        ("second interpreter and faults", lambda: python("tests/faults")),
        ("resuming", lambda: python("tests/resume")),
        *long,
    ):
        print(f"== {title}", flush=True)
        begun = time.monotonic()
        count = run()
        print(f"   {count.passed} passed, {count.failed} failed, {len(count.skipped)} skipped in {time.monotonic() - begun:.0f} s", flush=True)
        total.passed += count.passed
        total.failed += count.failed
        total.skipped += count.skipped
    if total.skipped:
        print("skipped, and why:")
        for line in total.skipped:
            print(f"  {line}")
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
