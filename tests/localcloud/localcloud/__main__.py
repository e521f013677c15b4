"""Command line: start, stop, status, calls, rights."""

from __future__ import annotations

import argparse
import pathlib
import sys

from localcloud import calls, cloud
from localcloud.layout import Layout


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked."""
    parser = argparse.ArgumentParser(prog="localcloud", description="AWS and Kubernetes on this machine, loopback only.")
    parser.add_argument("--dir", type=pathlib.Path, help="keep all state under this directory (default: .local of the checkout)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start", help="start the local cloud and write cloud.env; does nothing when it runs already")
    commands.add_parser("stop", help="end every process it started and remove its state")
    commands.add_parser("status", help="print the endpoint, the clusters and the processes")
    calls.add_arguments(commands.add_parser("calls", help="count the AWS calls that reached the endpoint"))
    commands.add_parser("rights", help="print what the service roles of stacks lack, by the registry's handler permissions")
    for command in commands.choices.values():
        # Also accepted after the command, where people write it.
        command.add_argument("--dir", type=pathlib.Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    layout = Layout(options.dir.resolve()) if options.dir else Layout.default()
    try:
        if options.command == "start":
            print(cloud.start(layout))
        elif options.command == "stop":
            print(cloud.stop(layout))
        elif options.command == "status":
            text, running = cloud.status(layout)
            print(text)
            return 0 if running else 3  # 3: not running, as init scripts have it
        elif options.command == "rights":
            print(layout.rights.read_text() if layout.rights.exists() else "nothing", end="")
        else:
            print(calls.report(layout, options))
    except cloud.LocalCloudError as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
