"""Counts what was written in a cluster, from the API server's own audit log."""

from __future__ import annotations

import collections
import datetime
import json

from .cloud import Cloud

# The cluster's own components, which never rest.
_OWN = ("system:", "local-admin")


def writes(cloud: Cloud, cluster: str, since: float) -> collections.Counter[str]:
    """Mutating requests since a time (in Unix seconds) that did not come from the cluster's own components; dry runs mutate nothing."""
    counted: collections.Counter[str] = collections.Counter()
    log = cloud.directory / "run" / "clusters" / cluster / "audit.log"
    for line in log.read_text().splitlines():
        event = json.loads(line)
        when = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
        dry = "dryRun=All" in event["requestURI"]
        if when >= since and not dry and not event["user"]["username"].startswith(_OWN):
            counted[f"{event['verb']} {event['objectRef'].get('resource', '')}"] += 1
    return counted
