"""The record of AWS API calls: written by the server, counted by `localcloud calls`.

What CloudFormation and Step Functions do inside MiniStack does not pass the endpoint and is
not in the record; what the project's own functions call is.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
from collections.abc import Iterator
from typing import Any

from localcloud.layout import Layout

_READING = re.compile(
    r"^(Get|List|Describe|Head|BatchGet|Query|Scan|Search|Lookup|Simulate|Validate|Check|Detect|Estimate|Preview|Test|Filter|Select)"
)
_WITHOUT_EFFECT = {
    # Credentials, and calls whose effects are recorded as the calls that the callee makes.
    "sts:AssumeRole",
    "sts:AssumeRoleWithWebIdentity",
    "lambda:InvokeFunction",
    "lambda:Invoke",
    # Cryptography changes nothing.
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncrypt",
    # Observation.
    "logs:PutLogEvents",
    "logs:CreateLogStream",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudwatch:PutMetricData",
}


def mutating(action: str) -> bool:
    """Whether an IAM action ("service:Name") changes anything a user would call state."""
    return action not in _WITHOUT_EFFECT and not _READING.match(action.partition(":")[2])


def read(layout: Layout) -> Iterator[dict[str, Any]]:
    """All recorded calls, oldest first."""
    if not layout.calls.exists():
        return
    with open(layout.calls, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `localcloud calls`."""
    parser.add_argument("--since", type=float, default=0.0, metavar="T", help="only calls from this Unix time on")
    parser.add_argument("--mutating", action="store_true", help="only calls that change something")
    parser.add_argument("--account", help="only calls to this account")
    parser.add_argument("--ignore", action="append", default=[], metavar="ACTION", help="leave out, as dynamodb:PutItem or states:*")
    parser.add_argument("--list", action="store_true", help="print the calls instead of counts")


def report(layout: Layout, options: argparse.Namespace) -> str:
    """Counts by account and action, the total last; or the calls, one a line."""
    chosen = [
        call
        for call in read(layout)
        if call["time"] >= options.since
        and (call["mutating"] or not options.mutating)
        and (not options.account or call["account"] == options.account)
        and f"{call['service']}:*" not in options.ignore
        and f"{call['service']}:{call['action']}" not in options.ignore
    ]
    if options.list:
        return "\n".join(json.dumps(call) for call in chosen)
    counts = collections.Counter(f"{call['account']}  {call['service']}:{call['action']}" for call in chosen)
    lines = [f"{count:6d}  {name}" for name, count in sorted(counts.items())]
    return "\n".join([*lines, f"{len(chosen):6d}  total"])
