"""IAM: policies that are read once.

MiniStack parses every policy of the caller at every request. With the roles of this project that was
an eighth of all its work.
"""

from __future__ import annotations

import functools
from typing import Any

from ministack.core import iam_evaluator


def install() -> None:
    """Keep what a document was read as; the text is the key, so a changed policy is read anew."""
    parse = iam_evaluator.parse_policy_document
    read = functools.lru_cache(maxsize=512)(parse)

    def parse_once(document: str | dict[str, Any]) -> list[iam_evaluator.ParsedStatement]:
        return read(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parse_once
