"""Writes the reference of the request's fields into docs/request.md, from the schema.

usage: python -m suite.request_doc [--check]
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from suite import section

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "statemachine" / "request.schema.json"
DOCUMENT = ROOT / "docs" / "request.md"

Schema = dict[str, Any]


def reference(schema: Schema) -> str:
    """An overview of all fields, then one paragraph for each."""
    fields = list(_fields(schema))
    lines = ["| Field | Type | Required | Default |", "|---|---|---|---|"]
    for name, field, required in fields:
        # The schema's default of a required field is what a form offers first; it fills nothing in.
        default = f"`{field['default']}`" if "default" in field and not required else ""
        anchor = name.lower().replace(".", "")
        lines.append(f"| [`{name}`](#{anchor}) | {_type(field)} | {'yes' if required else ''} | {default} |")
    for name, field, _ in fields:
        lines += ["", f"### `{name}`", "", f"{field['title']}. {field['description']}"]
        facts = _facts(field)
        if facts:
            lines += ["", *(f"- {fact}" for fact in facts)]
    return "\n".join(lines)


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Every field by its name, and whether it is required; the fields of an object after it, with a dot."""
    for name, field in schema["properties"].items():
        yield prefix + name, field, name in schema.get("required", [])
        if "properties" in field:
            yield from _fields(field, f"{prefix}{name}.")


def _type(field: Schema) -> str:
    if field["type"] == "array":
        return f"list of {_type(field['items'])}s"
    if field["type"] == "object" and "properties" not in field:
        return f"object of {_type(field['additionalProperties'])}s"
    return field["type"]


def _facts(field: Schema) -> list[str]:
    """What the schema says beyond type and description."""
    facts = []
    items = field.get("items", {})
    if allowed := field.get("enum") or items.get("enum"):
        facts.append("Allowed: " + ", ".join(f"`{value}`" for value in allowed))
    if pattern := field.get("pattern") or items.get("pattern"):
        facts.append(f"Pattern: `{pattern}`")
    if "minimum" in field:
        facts.append(f"From {field['minimum']} to {field['maximum']}")
    for key, text in (
        ("minLength", "At least {} characters"),
        ("maxLength", "At most {} characters"),
        ("maxItems", "At most {} entries"),
        ("maxProperties", "At most {} entries"),
    ):
        if key in field:
            facts.append(text.format(field[key]))
    if "examples" in field:
        facts.append("Example: " + ", ".join(f"`{_literal(value)}`" for value in field["examples"]))
    return facts


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> int:
    """Writes the reference, or with --check says whether it is current."""
    problem = section.update(DOCUMENT, "fields", reference(json.loads(SCHEMA.read_text())), check="--check" in sys.argv[1:])
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
