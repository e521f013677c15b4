"""The shape of a CloudFormation resource type of the extension."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

Properties = dict[str, Any]


class Failed(ValueError):
    """A handler's failure; CloudFormation shows the text as the resource's status reason."""


class Resource(abc.ABC):
    """One resource type: its handlers work on MiniStack's own state of the service.

    Replacement is not a handler's business: the registry schema lists the create-only
    properties, and CloudFormation then creates anew and deletes the old one.
    """

    type: ClassVar[str]
    unreadable: ClassVar[frozenset[str]] = frozenset()
    """Properties, beyond the schema's write-only ones, that `read` does not give back, each with its reason beside it."""

    @abc.abstractmethod
    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        """Create the resource and return its physical id, which is what Ref gives."""

    @abc.abstractmethod
    def read(self, physical_id: str, properties: Properties) -> Properties:
        """The resource as the service has it: its properties and its attributes.

        `properties` are the template's, for types whose physical id is not the whole key.
        """

    @abc.abstractmethod
    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        """Change the resource in place."""

    @abc.abstractmethod
    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete the resource; one that is gone already is no failure."""


def tags_of(properties: Properties) -> dict[str, str]:
    """The Tags property as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """A mapping as the Tags property."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
