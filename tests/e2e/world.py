"""What is in the accounts and what was called there, seen with the accounts' own keys."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

from demo.cloud import Cloud
from localcloud import calls, snapshot
from localcloud.layout import Layout
from localcloud.snapshot import Snapshot

REGIONS = ("us-east-1", "eu-west-1")

_WRITING = {"create", "update", "patch", "delete", "deletecollection"}


class World:
    """Both accounts of a local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.layout = Layout(cloud.directory)

    def target(self, service: str, region: str = "us-east-1") -> Any:
        """A client in the target account."""
        return self.cloud.client(service, self.cloud.target_account, region)

    def stacks(self, account: str, region: str = "us-east-1") -> dict[str, dict[str, Any]]:
        """All stacks by name."""
        pages = self.cloud.client("cloudformation", account, region).get_paginator("describe_stacks").paginate()
        return {stack["StackName"]: stack for page in pages for stack in page["Stacks"]}

    def network(self) -> Snapshot:
        """Everything that EC2 knows of the target account, in all regions."""
        found = snapshot.services(self.layout)
        return {key: value for key, value in found.items() if key.startswith("ec2.") and f"/{self.cloud.target_account}/" in key}

    def roles(self, account: str) -> dict[str, dict[str, Any]]:
        """All roles by name."""
        pages = self.cloud.client("iam", account).get_paginator("list_roles").paginate()
        return {role["RoleName"]: role for page in pages for role in page["Roles"]}

    def calls(self, since: float, account: str) -> list[str]:
        """The AWS calls to an account since then that change anything."""
        return [
            f"{call['service']}:{call['action']} by {call['principal']}"
            for call in calls.read(self.layout)
            if call["mutating"] and call["time"] >= since and call["account"] == account
        ]

    def writes(self, cluster: str, since: float = 0.0) -> list[str]:
        """What IAM principals wrote into a cluster since then, by its Kubernetes audit log."""
        found = []
        with open(self.layout.clusters / cluster / "audit.log", encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                user = event["user"]["username"]
                when = _seconds(event["requestReceivedTimestamp"])
                # The control plane's own users have no ARN.
                # A dry run asks what a write would do.
                writing = event["verb"] in _WRITING and "dryRun=All" not in event["requestURI"]
                if user.startswith("arn:") and writing and when >= since:
                    found.append(f"{event['verb']} {event['requestURI']} by {user}")
        return found


def _seconds(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp).timestamp()


def eventually(check: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """The first true answer of check."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)
    return answer
