"""Whether a subnet reaches what a Kubernetes node needs: through a gateway, or through VPC endpoints.

https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html lists the endpoints.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2

REQUIRED = ("ec2", "ecr.api", "ecr.dkr", "s3", "sts")
"""AWS services that a node calls before it is Ready."""


def route_table(subnet: dict[str, Any]) -> dict[str, Any] | None:
    """The subnet's own route table, or its VPC's main one."""
    tables = [t for t in ec2._route_tables.values() if t["VpcId"] == subnet["VpcId"]]
    own = [t for t in tables if any(a.get("SubnetId") == subnet["SubnetId"] for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    return next(iter(own + main), None)


def default_route(subnet: dict[str, Any]) -> str:
    """Where 0.0.0.0/0 leads: "nat", "igw", or "" when nowhere that is there."""
    for route in (route_table(subnet) or {"Routes": []})["Routes"]:
        if route.get("DestinationCidrBlock") != "0.0.0.0/0":
            continue
        gateway = ec2._nat_gateways.get(route.get("NatGatewayId") or "")
        if gateway and gateway["State"] == "available":
            return "nat"
        if route.get("GatewayId") in ec2._internet_gateways:
            return "igw"
    return ""


def unreachable(subnet: dict[str, Any], groups: set[str]) -> list[str]:
    """The required services that a node in the subnet, with these security groups, has no way to."""
    if default_route(subnet) == "nat" or (default_route(subnet) == "igw" and subnet["MapPublicIpOnLaunch"]):
        return []
    endpoints = [e for e in ec2._vpc_endpoints.values() if e["VpcId"] == subnet["VpcId"] and e["State"] == "available"]
    return [service for service in REQUIRED if not any(_serves(e, service, subnet, groups) for e in endpoints)]


def _serves(endpoint: dict[str, Any], service: str, subnet: dict[str, Any], groups: set[str]) -> bool:
    if endpoint["ServiceName"] != f"com.amazonaws.{get_region()}.{service}":
        return False
    if endpoint["VpcEndpointType"] == "Gateway":
        return (route_table(subnet) or {}).get("RouteTableId") in endpoint["RouteTableIds"]
    # Without a private name the public one still leads out of the VPC.
    return bool(endpoint.get("PrivateDnsEnabled")) and any(
        admits(ec2._security_groups.get(g) or {}, subnet, groups) for g in endpoint.get("SecurityGroupIds") or []
    )


def admits(group: dict[str, Any], subnet: dict[str, Any], sources: set[str]) -> bool:
    """Whether the group lets HTTPS in from the subnet's addresses or from members of the source groups."""
    network = ipaddress.ip_network(subnet["CidrBlock"])
    for rule in group.get("IpPermissions", []):
        whole = rule["IpProtocol"] in ("-1", -1)
        if not whole and not (rule["IpProtocol"] == "tcp" and int(rule.get("FromPort", 0)) <= 443 <= int(rule.get("ToPort", 65535))):
            continue
        if any(pair.get("GroupId") in sources for pair in rule.get("UserIdGroupPairs", [])):
            return True
        if any(network.subnet_of(ipaddress.ip_network(r["CidrIp"])) for r in rule.get("IpRanges", [])):
            return True
    return False
