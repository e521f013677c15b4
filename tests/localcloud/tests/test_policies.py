"""Policies are read once, and anew when they change."""

from __future__ import annotations

import json

import pytest
from ministack.core import iam_evaluator

from localcloud.extension import policies


def _document(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def test_a_policy_is_read_once_for_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    parse = iam_evaluator.parse_policy_document

    def counted(document: object) -> list[iam_evaluator.ParsedStatement]:
        read.append(document)
        return parse(document)

    monkeypatch.setattr(iam_evaluator, "parse_policy_document", counted)
    policies.install()
    first, changed = _document("s3:GetObject"), _document("s3:PutObject")
    asked = [first, first, changed, json.loads(first)]
    assert [statement.actions for document in asked for statement in iam_evaluator.parse_policy_document(document)] == [
        ["s3:GetObject"],
        ["s3:GetObject"],
        ["s3:PutObject"],
        ["s3:GetObject"],
    ]
    assert read == [first, changed, json.loads(first)]
