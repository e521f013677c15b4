"""The definition by the rules of the Amazon States Language, as asl-validator has them.

AWS checks a definition when it is deployed; the local interpreters accept nearly anything.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
import re
import subprocess
from typing import Any

import pytest

from demo.cloud import ROOT
from faults import definition
from suite.npm import NODE

LINT = ROOT / ".local" / "asl" / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"


def findings(machine: dict[str, Any], directory: pathlib.Path) -> str:
    """What the validator says of a definition; empty if nothing is wrong."""
    # SAM puts the functions' ARNs in.
    text = re.sub(r"\$\{(\w+)Arn\}", r"arn:aws:lambda:us-east-1:111111111111:function:\1", json.dumps(machine))
    file = directory / "definition.json"
    file.write_text(text)
    done = subprocess.run([str(NODE / "node"), str(LINT), "--json-path", str(file)], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr if done.returncode else ""


def test_definition_is_valid(tmp_path: pathlib.Path) -> None:
    assert findings(definition.document(), tmp_path) == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("States", "Lock", "Next"), "Nowhere"),
        (("States", "Lock", "ResultPath"), "lock"),
        (("States", "Lock", "Retry", 0, "MaxAttempts"), -1),
        (("States", "Lock", "Type"), "Tusk"),
        (("States", "Stray"), {"Type": "Pass", "End": True}),
        (("StartAt",), "Nowhere"),
    ],
)
def test_validator_sees_what_is_wrong(tmp_path: pathlib.Path, path: tuple[str | int, ...], value: Any) -> None:
    machine = copy.deepcopy(definition.document())
    place: Any = machine
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert findings(machine, tmp_path)
