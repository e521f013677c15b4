"""CloudFormation: registers resource types, and checks every resource against its registry schema."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import Any

from ministack.services.cloudformation import provisioners, stacks

from localcloud import schema
from localcloud.extension.resource import Failed, Properties, Resource

_OFF_THE_LOOP = ("AWS::EKS::", "AWS::EC2::", "AWS::IAM::OIDCProvider")
"""Types whose handlers wait or read files; on the event loop they would hold up every other call."""


def install() -> None:
    """Check properties before any handler runs, and keep waiting handlers off the event loop."""
    stacks._provision_resource = _checked_create(stacks._provision_resource)
    stacks._update_resource = _checked_update(stacks._update_resource)
    on_worker_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda type_name: type_name.startswith(_OFF_THE_LOOP) or on_worker_thread(type_name)


def register(resource: Resource) -> None:
    """Add a resource type, or put it in the place of MiniStack's own."""
    registry = schema.load(resource.type)

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, dict[str, Any]]:
        physical_id = resource.create(logical_id, properties, stack)
        try:
            return physical_id, _attributes(resource, registry, physical_id, properties)
        except Failed:
            resource.delete(physical_id, properties)
            raise

    def update(physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, Any]]:
        resource.update(physical_id, old, new)
        return physical_id, _attributes(resource, registry, physical_id, new)

    provisioners._RESOURCE_HANDLERS[resource.type] = {"create": create, "update": update, "delete": resource.delete}
    provisioners._REPLACING_PROPERTIES[resource.type] = tuple(sorted(registry.create_only))
    provisioners._CONDITIONALLY_REPLACING_PROPERTIES[resource.type] = tuple(sorted(registry.partly_create_only))
    if "Tags" in registry.properties:
        provisioners._STACK_TAG_PROPERTY.setdefault(resource.type, ("Tags", "list"))


def check(type_name: str, logical_id: str, properties: Properties) -> Properties:
    """The properties as CloudFormation hands them to a handler; PropertiesInvalid if it would refuse them."""
    if type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource":
        return properties  # open by definition
    try:
        return schema.load(type_name).check(properties)
    except schema.PropertiesInvalid as invalid:
        raise schema.PropertiesInvalid(f"Properties validation failed for resource {logical_id} with message: {invalid}") from None


def _checked_create(original: Any) -> Any:
    @functools.wraps(original)
    def create(type_name: str, logical_id: str, properties: Properties, stack: str) -> Any:
        return original(type_name, logical_id, check(type_name, logical_id, properties), stack)

    return create


def _checked_update(original: Any) -> Any:
    @functools.wraps(original)
    def update(type_name: str, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str, *rest: Any) -> Any:
        checked = check(type_name, logical_id, new)
        with contextlib.suppress(schema.PropertiesInvalid):  # a rollback leaves properties that were refused
            old = check(type_name, logical_id, old)
        return original(type_name, physical_id, old, checked, stack, logical_id, *rest)

    return update


def _attributes(resource: Resource, registry: schema.Schema, physical_id: str, properties: Properties) -> dict[str, Any]:
    """What Fn::GetAtt gives; fails when the service does not have what the template asked for."""
    model = resource.read(physical_id, properties)
    hidden = registry.write_only | resource.unreadable
    for name, wanted in properties.items():
        if name not in hidden and not _same(wanted, model.get(name), (name,), registry.write_only_members):
            raise Failed(
                f"local cloud: {resource.type} cannot read back property {name}: asked for {json.dumps(wanted)}, "
                f"the service has {json.dumps(model.get(name))}"
            )
    return {name: value for name in registry.attributes if (value := _at(model, name)) is not None}


def _at(model: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        model = model.get(part) if isinstance(model, dict) else None
    return model


def _same(wanted: Any, actual: Any, path: tuple[str, ...], write_only: frozenset[tuple[str, ...]]) -> bool:
    """Whether the service has what was asked for; it may have more, and lists are sets."""
    if path in write_only:
        return True
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_same(v, actual.get(k), (*path, k), write_only) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(actual, list)
            and len(wanted) <= len(actual)
            and all(any(_same(w, a, path, write_only) for a in actual) for w in wanted)
        )
    return wanted == actual
