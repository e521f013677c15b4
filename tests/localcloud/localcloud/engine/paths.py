"""Paths with an index, as AWS reads them.

A path of fields and literal indices names one node, `$.branches[0].network` the section itself:
https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html.
moto 5.2.5 gives a list with it, for the sake of filters (its issue 7825).
"""

from __future__ import annotations

import re
import sys
from typing import Any

from moto.stepfunctions.parser.asl.utils import json_path

_ONE_NODE = re.compile(r"\$(\.\w+|\[\d+\])*")
_extract = json_path.extract_json


def extract_json(path: str, data: Any) -> Any:
    """What a path names."""
    value = _extract(path, data)
    if not _ONE_NODE.fullmatch(path) or not re.search(r"\[\d+\]\.\w+$", path):
        return value
    (node,) = value
    return node


def install() -> None:
    """Bind the name anew where it has been imported, and where it will be."""
    for module in list(sys.modules.values()):
        if getattr(module, "extract_json", None) is _extract:
            module.extract_json = extract_json  # type: ignore[attr-defined]
