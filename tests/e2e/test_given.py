"""What the demo cannot make of a request it leaves to Preflight: nothing is made, and nothing repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo import __main__ as demo
from demo import given

WHOLE = {"prefix": "opa", "name": "dev", "awsAccountID": "222222222222", "awsRegion": "us-east-1", "vpcConfiguration": "use_existing"}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"name": None},
        {"vpcId": "vpc-1", "name": "Bad Name"},
        {"vpcId": "vpc-1", "name": 7},
        {"vpcId": "vpc-1", "awsRegion": "the moon"},
        {"chart": "3.5.0"},
        {"chart": {"repository": ["s3://bucket/key"]}},
        {"chart": {"repository": "s3://bucket"}},
        {"clusterAdminRole": "cluster-admin"},
        {"clusterAdminRole": ["arn:aws:iam::222222222222:role/admin"]},
    ],
    ids=str,
)
def test_what_is_odd_is_left_alone(odd: dict[str, Any]) -> None:
    request = WHOLE | odd
    cloud: Any = None  # to touch it would fail
    assert given.provide(cloud, request) == request


@pytest.mark.parametrize(
    ("message", "last"),
    [
        ("one thing stands in the way", "Preflight: one thing stands in the way"),
        ("2 things are wrong; nothing was created:\n- /name: got 7\n- /cidr: got 8", "Preflight: 2 things are wrong; nothing was created: /name: got 7"),
    ],
)
def test_last_line_names_a_reason(message: str, last: str) -> None:
    description = {"error": "InvalidRequest", "status": "FAILED", "cause": json.dumps({"stage": "Preflight", "message": message})}
    assert demo._reason(description) == last
