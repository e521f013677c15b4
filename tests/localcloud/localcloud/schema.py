"""CloudFormation's registry schemas, as cfn-lint ships them, and the check of properties against them.

AWS checks the resolved properties of a resource against its type's registry schema before the
type's handler runs; MiniStack accepts anything. The check coerces scalars first, as
CloudFormation does: a template parameter is always a string, also where the schema says integer.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

import regex  # the registry's patterns use Unicode classes that `re` does not know

_PROVIDER = "us-east-1"
_UNDERSTOOD = frozenset(
    {"$ref", "type", "enum", "enumCaseInsensitive", "const", "not", "if", "then", "else", "oneOf", "anyOf", "allOf"}
    | {"properties", "patternProperties", "additionalProperties", "minProperties", "maxProperties", "required"}
    | {"requiredXor", "requiredOr", "dependentRequired", "dependentExcluded", "dependencies"}
    | {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "pattern", "minLength", "maxLength"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
_ANNOTATIONS = frozenset(
    {"description", "title", "default", "format", "examples", "documentationUrl", "deprecated", "lifecycle"}
    | {"$comment", "$id", "$schema", "definitions", "insertionOrder", "arrayType", "relationshipRef", "uniqueKeys", "maxUniqueItems"}
)


class UnknownType(Exception):
    """The registry has no such type."""


class UnknownKeyword(Exception):
    """A schema says something that this module does not understand; it must be taught, not ignored."""


class PropertiesInvalid(ValueError):
    """The properties of a resource break its schema; the text is CloudFormation's."""


class Schema:
    """The registry schema of one resource type."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    @property
    def properties(self) -> frozenset[str]:
        """Names of all properties."""
        return frozenset(self._document["properties"])

    @property
    def create_only(self) -> frozenset[str]:
        """Top-level properties whose change replaces the resource."""
        return self._whole("createOnlyProperties")

    @property
    def partly_create_only(self) -> frozenset[str]:
        """Top-level properties with a member whose change replaces the resource."""
        return self._parts("createOnlyProperties")

    @property
    def write_only(self) -> frozenset[str]:
        """Top-level properties that the service does not give back."""
        return self._whole("writeOnlyProperties")

    @property
    def write_only_members(self) -> frozenset[tuple[str, ...]]:
        """Paths of nested properties that the service does not give back."""
        return frozenset(p for p in self._paths("writeOnlyProperties") if len(p) > 1)

    @property
    def read_only(self) -> frozenset[str]:
        """Top-level properties that a template must not set."""
        return self._whole("readOnlyProperties")

    @property
    def attributes(self) -> frozenset[str]:
        """What Fn::GetAtt may name."""
        return frozenset(".".join(path) for path in self._paths("readOnlyProperties"))

    def permissions(self, operation: str) -> list[str]:
        """The IAM actions that the type's handler for create, update or delete may use."""
        return sorted((self._document.get("handlers") or {}).get(operation, {}).get("permissions", []))

    def check(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """The properties with scalars coerced; PropertiesInvalid lists everything that is wrong."""
        errors: list[str] = []
        for name in sorted(self.read_only & set(properties)):
            errors.append(f"#: encountered read-only property [{name}]")
        checked = self._check(dict(properties), self._document, "#", errors, top=True)
        if errors:
            raise PropertiesInvalid("; ".join(errors))
        return checked

    def _paths(self, key: str) -> list[tuple[str, ...]]:
        # Array members are written "/properties/List/*/Member".
        return [tuple(p.split("/")[2:]) for p in self._document.get(key) or [] if "*" not in p]

    def _whole(self, key: str) -> frozenset[str]:
        return frozenset(path[0] for path in self._paths(key) if len(path) == 1)

    def _parts(self, key: str) -> frozenset[str]:
        return frozenset(path[0] for path in self._paths(key) if len(path) > 1) - self._whole(key)

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        node: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def _check(self, value: Any, schema: Any, path: str, errors: list[str], top: bool = False) -> Any:
        if isinstance(schema, bool):
            if not schema:
                errors.append(f"{path}: no value is permitted")
            return value
        if "$ref" in schema:
            value = self._check(value, self._resolve(schema["$ref"]), path, errors)
        unknown = set() if top else set(schema) - _UNDERSTOOD - _ANNOTATIONS
        if unknown:
            raise UnknownKeyword(f"{self._document.get('typeName')} {path}: keywords {sorted(unknown)} are not understood")
        if "type" in schema:
            value, matched = _coerce(value, schema["type"])
            if not matched:
                errors.append(f"{path}: expected type: {_type_text(schema['type'])}, found: {_found(value)}")
                return value
        if isinstance(value, dict):
            value = self._check_object(value, schema, path, errors)
        elif isinstance(value, list):
            value = self._check_array(value, schema, path, errors)
        else:
            _check_scalar(value, schema, path, errors)
        return self._check_combinations(value, schema, path, errors)

    def _check_object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, errors: list[str]) -> dict[str, Any]:
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        rest = schema.get("additionalProperties", True)
        checked = {}
        for name, member in value.items():
            where = f"{path}/{name}"
            matching = [s for p, s in patterns.items() if regex.search(p, name)]
            if name in known:
                member = self._check(member, known[name], where, errors)
            elif matching:
                member = self._check(member, matching[0], where, errors)
            elif rest is False:
                errors.append(f"{path}: extraneous key [{name}] is not permitted")
            elif isinstance(rest, dict):
                member = self._check(member, rest, where, errors)
            checked[name] = member
        for name in schema.get("required", []):
            if name not in value:
                errors.append(f"{path}: required key [{name}] not found")
        _check_presence(value, schema, path, errors)
        _check_size(len(value), schema, "Properties", path, errors)
        return checked

    def _check_array(self, value: list[Any], schema: Mapping[str, Any], path: str, errors: list[str]) -> list[Any]:
        first = schema.get("prefixItems", [])
        items = schema.get("items", True)
        checked = [self._check(member, first[i] if i < len(first) else items, f"{path}/{i}", errors) for i, member in enumerate(value)]
        _check_size(len(value), schema, "Items", path, errors)
        if schema.get("uniqueItems"):
            texts = [json.dumps(member, sort_keys=True, default=str) for member in checked]
            if len(set(texts)) < len(texts):
                errors.append(f"{path}: array items are not unique")
        return checked

    def _check_combinations(self, value: Any, schema: Mapping[str, Any], path: str, errors: list[str]) -> Any:
        for part in schema.get("allOf", []):
            value = self._check(value, part, path, errors)
        if "anyOf" in schema and not any(self._valid(value, part) for part in schema["anyOf"]):
            errors.append(f"{path}: #: no subschema matched out of the total {len(schema['anyOf'])} subschemas")
        if "oneOf" in schema:
            matches = sum(self._valid(value, part) for part in schema["oneOf"])
            if matches != 1:
                errors.append(f"{path}: #: {matches} subschemas matched instead of one")
        if "not" in schema and self._valid(value, schema["not"]):
            errors.append(f"{path}: subject must not be valid against schema {json.dumps(schema['not'])}")
        if "if" in schema:
            branch = schema.get("then" if self._valid(value, schema["if"]) else "else", True)
            value = self._check(value, branch, path, errors)
        return value

    def _valid(self, value: Any, schema: Any) -> bool:
        errors: list[str] = []
        self._check(value, schema, "#", errors)
        return not errors


def _check_presence(value: Mapping[str, Any], schema: Mapping[str, Any], path: str, errors: list[str]) -> None:
    for trigger, needed in {**schema.get("dependencies", {}), **schema.get("dependentRequired", {})}.items():
        if trigger in value and isinstance(needed, list):
            errors.extend(f"{path}: property [{name}] is required by [{trigger}]" for name in needed if name not in value)
    for trigger, excluded in schema.get("dependentExcluded", {}).items():
        if trigger in value:
            errors.extend(f"{path}: property [{name}] is not permitted with [{trigger}]" for name in excluded if name in value)
    if "requiredXor" in schema and sum(name in value for name in schema["requiredXor"]) != 1:
        errors.append(f"{path}: exactly one of {schema['requiredXor']} is required")
    if "requiredOr" in schema and not any(name in value for name in schema["requiredOr"]):
        errors.append(f"{path}: at least one of {schema['requiredOr']} is required")


def _check_size(size: int, schema: Mapping[str, Any], what: str, path: str, errors: list[str]) -> None:
    if size < schema.get(f"min{what}", 0):
        errors.append(f"{path}: expected minimum {what.lower()}: {schema[f'min{what}']}, found: {size}")
    if size > schema.get(f"max{what}", size):
        errors.append(f"{path}: expected maximum {what.lower()}: {schema[f'max{what}']}, found: {size}")


def _check_scalar(value: Any, schema: Mapping[str, Any], path: str, errors: list[str]) -> None:
    if "enum" in schema and value not in schema["enum"]:
        errors.append(f"{path}: {value} is not a valid enum value; valid are {schema['enum']}")
    allowed = schema.get("enumCaseInsensitive")
    if allowed and str(value).lower() not in [str(a).lower() for a in allowed]:
        errors.append(f"{path}: {value} is not a valid enum value; valid are {allowed}")
    if "const" in schema and value != schema["const"]:
        errors.append(f"{path}: {value} is not the constant {schema['const']}")
    if isinstance(value, str):
        _check_size(len(value), schema, "Length", path, errors)
        if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
            errors.append(f"{path}: failed validation constraint for keyword [pattern]: {value} does not match {schema['pattern']}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(value, schema, path, errors)


def _check_number(value: float, schema: Mapping[str, Any], path: str, errors: list[str]) -> None:
    broken = (
        value < schema.get("minimum", value)
        or value > schema.get("maximum", value)
        or value <= schema.get("exclusiveMinimum", value - 1)
        or value >= schema.get("exclusiveMaximum", value + 1)
        or ("multipleOf" in schema and (value / schema["multipleOf"]) % 1)
    )
    if broken:
        limits = {k: schema[k] for k in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf") if k in schema}
        errors.append(f"{path}: {value} is outside {json.dumps(limits)}")


@functools.cache
def _pattern(text: str) -> regex.Pattern:
    return regex.compile(text)


def _coerce(value: Any, types: str | list[str]) -> tuple[Any, bool]:
    """The value as one of the types, and whether it is one."""
    wanted = [types] if isinstance(types, str) else types
    if any(_is(value, name) for name in wanted):
        return value, True
    for name in wanted:
        if name == "string" and isinstance(value, (bool, int, float)):
            return (str(value).lower() if isinstance(value, bool) else str(value)), True
        if name == "boolean" and value in ("true", "false", "True", "False"):
            return value.lower() == "true", True
        if name in ("integer", "number") and isinstance(value, str):
            try:
                number = int(value) if name == "integer" else float(value)
                # A whole number is written without a point, as CloudFormation hands it on.
                return (int(number) if number == number // 1 else number), True
            except ValueError:
                continue
    return value, False


def _is(value: Any, name: str) -> bool:
    match name:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "null":
            return value is None
    raise UnknownKeyword(f"type {name} is not understood")


def _type_text(types: str | list[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return " or ".join({"array": "JSONArray", "object": "JSONObject"}.get(n, n.capitalize()) for n in names)


def _found(value: Any) -> str:
    return {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", type(None): "Null"}.get(type(value), "Number")


@functools.cache
def _provider() -> dict[str, str]:
    """Resource type to the name of the file its schema is in."""
    return json.loads((_data() / "providers" / f"{_PROVIDER}.json").read_text(encoding="utf-8"))


def _data() -> Any:
    return importlib.resources.files("cfnlint") / "data" / "schemas"


@functools.cache
def load(type_name: str) -> Schema:
    """The schema of a resource type."""
    if type_name not in _provider():
        raise UnknownType(f"the registry has no resource type {type_name}")
    return Schema(json.loads((_data() / "resources" / f"{_provider()[type_name]}.json").read_text(encoding="utf-8")))
