"""Network interfaces with tags and filters, the deletions that EC2 refuses, load balancers' VPCs, and tags as IAM sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, ec2, tagging

from localcloud.extension.ec2 import group_users
from localcloud.extension.network import kind_of

_FILTERED = {"vpc-id": "VpcId", "subnet-id": "SubnetId", "status": "Status", "description": "Description"}


def install() -> None:
    """Take the places of the actions, and tell IAM the tags of what a call is about."""
    actions = ec2._ACTION_MAP
    actions["CreateNetworkInterface"] = _tagging(actions["CreateNetworkInterface"])
    actions["DescribeNetworkInterfaces"] = _describe
    actions["DeleteNetworkInterface"] = _unless(actions["DeleteNetworkInterface"], "NetworkInterfaceId", _attachment)
    actions["DeleteSecurityGroup"] = _unless(actions["DeleteSecurityGroup"], "GroupId", _group_in_use)
    ec2._strip_descriptions = _with_owners(ec2._strip_descriptions)
    alb._ACTION_MAP["CreateLoadBalancer"] = _in_its_vpc(alb._ACTION_MAP["CreateLoadBalancer"])
    tagging._RESOURCE_TAG_COLLECTORS["ec2"] = _ec2_tags
    tagging._RESOURCE_TAG_COLLECTORS["elasticloadbalancing"] = _load_balancer_tags


def _tagging(original: Any) -> Any:
    """MiniStack makes an interface without the tags that come with it."""

    def create(parameters: Any) -> Any:
        before = set(ec2._network_interfaces.keys())
        answer = original(parameters)
        for identifier in set(ec2._network_interfaces.keys()) - before:
            ec2._parse_tag_specs(parameters, "network-interface", identifier)
        return answer

    return create


def _describe(parameters: Any) -> Any:
    filters = ec2._parse_filters(parameters)
    identifiers = ec2._parse_member_list(parameters, "NetworkInterfaceId")
    if unknown := [name for name in filters if name not in (*_FILTERED, "group-id") and not name.startswith("tag")]:
        return ec2._error("InvalidParameterValue", f"local cloud: the filter {unknown[0]} is not implemented", 400)
    items = "".join(
        ec2._eni_fields_xml(interface)
        for interface in ec2._network_interfaces.values()
        if (not identifiers or interface["NetworkInterfaceId"] in identifiers)
        and ec2._resource_matches_tag_filters(interface["NetworkInterfaceId"], filters)
        and all(interface[key] in filters[name] for name, key in _FILTERED.items() if name in filters)
        and ("group-id" not in filters or any(group["GroupId"] in filters["group-id"] for group in interface["Groups"]))
    )
    return ec2._xml(200, "DescribeNetworkInterfacesResponse", f"<networkInterfaceSet>{items}</networkInterfaceSet>")


def _unless(original: Any, parameter: str, reason: Any) -> Any:
    def delete(parameters: Any) -> Any:
        refused = reason(ec2._p(parameters, parameter))
        return ec2._error(*refused, 400) if refused else original(parameters)

    return delete


def _attachment(identifier: str) -> tuple[str, str] | None:
    interface = ec2._network_interfaces.get(identifier)
    if interface and interface["Status"] != "available":
        return "InvalidParameterValue", f"Network interface '{identifier}' is currently in use."
    return None


def _group_in_use(identifier: str) -> tuple[str, str] | None:
    interfaces = [
        interface["NetworkInterfaceId"]
        for interface in ec2._network_interfaces.values()
        if any(group["GroupId"] == identifier for group in interface["Groups"])
    ]
    balancers = [balancer["LoadBalancerName"] for balancer in alb._lbs.values() if identifier in balancer["SecurityGroups"]]
    if identifier in ec2._security_groups and (interfaces or balancers or group_users(identifier)):
        return "DependencyViolation", f"resource {identifier} has a dependent object"
    return None


def _with_owners(original: Any) -> Any:
    """A rule that names a group without its owner is the same as one that names the owner: EC2 shows both with it."""

    def strip(rule: dict[str, Any]) -> dict[str, Any]:
        stripped = original(rule)
        pairs = [{"UserId": get_account_id()} | pair for pair in stripped.get("UserIdGroupPairs", [])]
        return stripped | {"UserIdGroupPairs": pairs}

    return strip


def _in_its_vpc(original: Any) -> Any:
    """A load balancer is in the VPC of its subnets; MiniStack puts all of them into one."""

    def create(parameters: Any) -> Any:
        before = set(alb._lbs.keys())
        answer = original(parameters)
        for arn in set(alb._lbs.keys()) - before:
            subnets = [ec2._subnets[name] for name in alb._lbs[arn]["Subnets"] if name in ec2._subnets]
            alb._lbs[arn]["VpcId"] = subnets[0]["VpcId"] if subnets else alb._lbs[arn]["VpcId"]
        return answer

    return create


def _ec2_tags() -> Iterator[tuple[str, Any]]:
    for identifier, tags in ec2._tags.items():
        yield f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind_of(identifier)}/{identifier}", tags


def _load_balancer_tags() -> Iterator[tuple[str, Any]]:
    yield from alb._tags.items()
