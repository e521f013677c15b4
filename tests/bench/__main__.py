"""Measures the functions, and the kubectl function against the AWS CDK's own handler."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys

from . import comparison, functions


def main() -> int:
    """Prints the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", "functions", "kubectl"), default="all")
    parser.add_argument("--samples", type=int, default=5, help="samples per case and contestant (default: 5, which takes a quarter of an hour)")
    parser.add_argument("--baseline", type=pathlib.Path, default=comparison.BASELINE, help="where the CDK's packages are installed")
    options = parser.parse_args()
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not functions.BUILD.exists():
        print("nothing is built: run `make build` first")
        return 1
    if options.what != "kubectl":
        functions.report()
    if options.what != "functions":
        comparison.report(options.baseline, options.samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
