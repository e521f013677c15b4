"""Listens to what the orchestrator tells of the ends of its executions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from demo.cloud import Cloud
from e2e.world import eventually

QUEUE = "ends-of-executions"
"""Its name, and that of the rule that fills it."""


class Ear:
    """A queue that every such event goes to."""

    def __init__(self, sqs: Any, queue: str) -> None:
        self._sqs, self._queue = sqs, queue
        self._heard: list[dict[str, Any]] = []

    def of(self, execution: str) -> list[dict[str, Any]]:
        """The details of the events that tell of an execution, at least one."""

        def heard() -> list[dict[str, Any]]:
            answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                self._heard.append(json.loads(message["Body"])["detail"])
            return [detail for detail in self._heard if detail["execution"] == execution]

        return eventually(heard, f"an event of {execution}")


@contextlib.contextmanager
def listening(cloud: Cloud) -> Iterator[Ear]:
    """An ear on the default bus, by a rule such as docs/operations.md shows."""
    events, sqs = cloud.client("events"), cloud.client("sqs")
    queue = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["harmonix.environment.provider"], "detail-type": ["EKS Environment Ended"]}
    rule = events.put_rule(Name=QUEUE, EventPattern=json.dumps(pattern))["RuleArn"]
    statement = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Principal": {"Service": "events.amazonaws.com"},
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    events.put_targets(Rule=QUEUE, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield Ear(sqs, queue)
    finally:
        events.remove_targets(Rule=QUEUE, Ids=["queue"])
        events.delete_rule(Name=QUEUE)
        sqs.delete_queue(QueueUrl=queue)
