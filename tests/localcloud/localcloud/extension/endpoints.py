"""AWS::EC2::VPCEndpoint with the refusals of EC2 that MiniStack does not have, and DescribeVpcEndpointServices."""

from __future__ import annotations

import datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from localcloud import limits
from localcloud.extension.ec2 import new_id, read_tags
from localcloud.extension.resource import Failed, Properties, Resource
from localcloud.settings import Settings

_GATEWAYS = ("s3", "dynamodb")
_KEPT = ("VpcId", "ServiceName", "VpcEndpointType", "RouteTableIds", "SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled", "PolicyDocument")


class VPCEndpoint(Resource):
    """AWS::EC2::VPCEndpoint; an interface endpoint holds a network interface in each of its subnets."""

    type = "AWS::EC2::VPCEndpoint"

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        _check(properties)
        endpoint = new_id("vpce")
        ec2._vpc_endpoints[endpoint] = {
            "VpcEndpointId": endpoint,
            "VpcEndpointType": "Gateway",
            "State": "available",
            "OwnerId": get_account_id(),
            "CreationTimestamp": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        } | _mutable(properties)
        provisioners._ec2_apply_tags(endpoint, properties)
        return endpoint

    def read(self, physical_id: str, properties: Properties) -> Properties:
        endpoint = ec2._vpc_endpoints[physical_id]
        model = {name: endpoint[name] for name in (*_KEPT, "CreationTimestamp", "NetworkInterfaceIds", "DnsEntries") if name in endpoint}
        return model | {"Id": physical_id, "Tags": read_tags(physical_id)}

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        _check(new, physical_id)
        ec2._vpc_endpoints[physical_id].update(_mutable(new))
        provisioners._ec2_apply_tags(physical_id, new, old)

    def delete(self, physical_id: str, properties: Properties) -> None:
        ec2._vpc_endpoints.pop(physical_id, None)
        ec2._tags.pop(physical_id, None)


def install(settings: Settings) -> None:
    """Answer for every service that is asked for by its name: in all zones, but for those that a test takes from it."""

    def describe(p: dict[str, Any]) -> Any:
        filters, missing = ec2._parse_filters(p), limits.read(settings.layout).get("notOffered", {})
        items = ""
        for name in filters.get("service-name", []):
            service, region = name.rpartition(f".{get_region()}.")[2], get_region()
            zones = [f"{region}{z}" for z in "abc" if f"{region}{z}" not in missing.get(service, [])]
            if zones:
                listed = "".join(f"<item>{zone}</item>" for zone in zones)
                items += f"<item><serviceName>{name}</serviceName><availabilityZoneSet>{listed}</availabilityZoneSet></item>"
        return ec2._xml(200, "DescribeVpcEndpointServicesResponse", f"<serviceDetailSet>{items}</serviceDetailSet>")

    ec2._ACTION_MAP["DescribeVpcEndpointServices"] = describe


def _mutable(properties: Properties) -> dict[str, Any]:
    fields = {name: properties[name] for name in _KEPT if name in properties}
    fields = {"RouteTableIds": [], "SubnetIds": [], "SecurityGroupIds": [], "PrivateDnsEnabled": False} | fields
    service = properties["ServiceName"].rpartition(f".{get_region()}.")[2]
    interface = properties.get("VpcEndpointType") == "Interface"
    fields["NetworkInterfaceIds"] = [new_id("eni") for _ in fields["SubnetIds"]] if interface else []
    fields["DnsEntries"] = [f"Z7HUB22UULQXV:{new_id('vpce')}.{service}.{get_region()}.vpce.amazonaws.com"] if interface else []
    return fields


def _check(properties: Properties, itself: str = "") -> None:
    vpc = properties["VpcId"]
    if vpc not in ec2._vpcs:
        raise Failed(f"The vpc ID '{vpc}' does not exist (InvalidVpcID.NotFound)")
    kind = properties.get("VpcEndpointType", "Gateway")
    service = properties.get("ServiceName", "")
    prefix = f"com.amazonaws.{get_region()}."
    if not service.startswith(prefix):
        raise Failed(f"The Vpc Endpoint Service '{service}' does not exist (InvalidServiceName)")
    if kind == "Gateway":
        if service.removeprefix(prefix) not in _GATEWAYS:
            raise Failed(f"The Vpc Endpoint Service '{service}' does not support endpoint type Gateway (InvalidParameter)")
        for table in properties.get("RouteTableIds") or []:
            if (ec2._route_tables.get(table) or {}).get("VpcId") != vpc:
                raise Failed(f"The routeTable ID '{table}' does not exist (InvalidRouteTableId.NotFound)")
        return
    zones: list[str] = []
    for subnet in properties.get("SubnetIds") or []:
        if (ec2._subnets.get(subnet) or {}).get("VpcId") != vpc:
            raise Failed(f"The subnet ID '{subnet}' does not exist (InvalidSubnetId.NotFound)")
        zones.append(ec2._subnets[subnet]["AvailabilityZone"])
    if len(zones) != len(set(zones)):
        raise Failed("Found another VPC endpoint subnet in the availability zone (DuplicateSubnetsInSameZone)")
    for group in properties.get("SecurityGroupIds") or []:
        if (ec2._security_groups.get(group) or {}).get("VpcId") != vpc:
            raise Failed(f"The security group ID '{group}' does not exist (InvalidGroup.NotFound)")
    if properties.get("PrivateDnsEnabled"):
        _check_names(vpc, service, itself)


def _check_names(vpc: str, service: str, itself: str) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        if not ec2._vpcs[vpc].get(name, name == "EnableDnsSupport"):
            raise Failed(f"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc}")
    for other in ec2._vpc_endpoints.values():
        same = other["VpcId"] == vpc and other["ServiceName"] == service and other["VpcEndpointId"] != itself
        if same and other.get("PrivateDnsEnabled"):
            raise Failed(
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} in the VPC {vpc}"
            )


def resources() -> list[Resource]:
    """All types of this module."""
    return [VPCEndpoint()]
