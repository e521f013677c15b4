"""The examples that the other tests of this folder leave out, on both interpreters. Part of `make faults` only: a cluster each, so they come last."""

from __future__ import annotations

import json

import pytest

from demo import given
from demo.cloud import ROOT, Cloud
from faults import examples
from faults.scenario import Stage, path
from faults.test_engines import settled

FILES = {file.stem: file for file in sorted((ROOT / "docs" / "examples").glob("*.json"))}
REST = [name for name in FILES if name not in examples.EXAMPLES and not name.startswith("delete")]


@pytest.mark.parametrize("name", REST)
def test_interpreters_agree(cloud: Cloud, first: Stage, second: Stage, name: str) -> None:
    request = given.provide(cloud, json.loads(FILES[name].read_text()))
    made = second.run(request, f"make-{name}").succeeded()
    ended = [stage.run(request, f"again-{name}").succeeded() for stage in (first, second)]
    assert path(ended[0]) == path(ended[1]) == path(made)
    assert settled(ended[0].result) == settled(ended[1].result)
