"""IAM types that MiniStack's CloudFormation lacks."""

from __future__ import annotations

from ministack.core.responses import get_account_id
from ministack.services import iam

from localcloud.extension.resource import Failed, Properties, Resource, tag_list, tags_of


class OIDCProvider(Resource):
    """AWS::IAM::OIDCProvider."""

    type = "AWS::IAM::OIDCProvider"

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        url = properties.get("Url", "")
        if not url.startswith("https://"):
            raise Failed("Invalid request provided: Invalid Open ID Connect Provider URL")
        arn = f"arn:aws:iam::{get_account_id()}:oidc-provider/{url.removeprefix('https://').rstrip('/')}"
        if arn in iam._oidc_providers:
            raise Failed(f"Provider with url {url} already exists. (Service: Iam, Status Code: 409)")
        iam._oidc_providers[arn] = {"Arn": arn, "Url": url, "CreateDate": iam._now(), **self._mutable(properties)}
        return arn

    def read(self, physical_id: str, properties: Properties) -> Properties:
        provider = iam._oidc_providers[physical_id]
        return {
            "Arn": physical_id,
            "Url": provider["Url"],
            "ClientIdList": provider["ClientIDList"],
            "ThumbprintList": provider["ThumbprintList"],
            "Tags": tag_list(tags_of(provider)),
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        if physical_id not in iam._oidc_providers:
            raise Failed(f"OpenIDConnect Provider not found for arn {physical_id}")
        iam._oidc_providers[physical_id].update(self._mutable(new))

    def delete(self, physical_id: str, properties: Properties) -> None:
        iam._oidc_providers.pop(physical_id, None)

    @staticmethod
    def _mutable(properties: Properties) -> Properties:
        # Without thumbprints IAM takes that of the issuer's top intermediate authority.
        return {
            "ClientIDList": list(properties.get("ClientIdList") or []),
            "ThumbprintList": list(properties.get("ThumbprintList") or ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]),
            "Tags": tag_list(tags_of(properties)),
        }


def resources() -> list[Resource]:
    """All types of this module."""
    return [OIDCProvider()]
