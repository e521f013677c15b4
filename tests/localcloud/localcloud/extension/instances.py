"""EC2's instance types: DescribeInstanceTypes and DescribeInstanceTypeOfferings.

The data file has processors, memory, network interfaces and addresses of each type as
https://docs.aws.amazon.com/ec2/latest/instancetypes/ states them, of accelerators that they are there. A type is offered in
all zones of its regions, or of all regions; a test takes zones from it with localcloud.limits.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2

from localcloud import limits
from localcloud.settings import Settings

_ZONES = "abc"  # as MiniStack's DescribeAvailabilityZones

Parameters = dict[str, Any]


@functools.cache
def _types() -> tuple[dict[str, Any], ...]:
    file = importlib.resources.files("localcloud.extension") / "data" / "instance-types.json"
    return tuple(json.loads(file.read_text(encoding="utf-8")))


def install(settings: Settings) -> None:
    """Answer both calls from the data."""

    def offered(instance_type: dict[str, Any]) -> list[str]:
        region, missing = get_region(), limits.read(settings.layout).get("notOffered", {})
        if region not in instance_type.get("regions", [region]):
            return []
        return [f"{region}{z}" for z in _ZONES if f"{region}{z}" not in missing.get(instance_type["instanceType"], [])]

    ec2._ACTION_MAP["DescribeInstanceTypes"] = lambda p: _describe(p, offered)
    ec2._ACTION_MAP["DescribeInstanceTypeOfferings"] = lambda p: _offerings(p, offered)


def _wanted(p: Parameters) -> list[dict[str, Any]]:
    """The types that a request's filter lets through."""
    names = ec2._parse_filters(p).get("instance-type")
    return [t for t in _types() if names is None or t["instanceType"] in names]


def _describe(p: Parameters, offered: Callable[[dict[str, Any]], list[str]]) -> Any:
    listed, known = ec2._parse_member_list(p, "InstanceType"), [t for t in _types() if offered(t)]
    unknown = [name for name in listed if name not in {t["instanceType"] for t in known}]
    if unknown:
        return ec2._error("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]", 400)
    items = [_item(t) for t in _wanted(p) if t in known and (not listed or t["instanceType"] in listed)]
    return ec2._xml(200, "DescribeInstanceTypesResponse", f"<instanceTypeSet>{''.join(items)}</instanceTypeSet>")


def _item(t: dict[str, Any]) -> str:
    gpu = f"<gpuInfo><gpus>{_device(t['gpu'])}</gpus></gpuInfo>" if "gpu" in t else ""
    neuron = f"<neuronInfo><neuronDevices>{_device(t['neuron'])}</neuronDevices></neuronInfo>" if "neuron" in t else ""
    return f"""<item>
        <instanceType>{t["instanceType"]}</instanceType>
        <supportedUsageClasses><item>on-demand</item><item>spot</item></supportedUsageClasses>
        <processorInfo><supportedArchitectures><item>{t["architecture"]}</item></supportedArchitectures></processorInfo>
        <vCpuInfo><defaultVCpus>{t["vcpus"]}</defaultVCpus></vCpuInfo>
        <memoryInfo><sizeInMiB>{t["memory"]}</sizeInMiB></memoryInfo>
        <networkInfo>
            <maximumNetworkInterfaces>{t["interfaces"]}</maximumNetworkInterfaces>
            <ipv4AddressesPerInterface>{t["addresses"]}</ipv4AddressesPerInterface>
        </networkInfo>{gpu}{neuron}
    </item>"""


def _device(name: str) -> str:
    return f"<item><name>{name}</name><count>1</count></item>"


def _offerings(p: Parameters, offered: Callable[[dict[str, Any]], list[str]]) -> Any:
    by_zone, places = ec2._p(p, "LocationType") == "availability-zone", ec2._parse_filters(p).get("location")
    items = ""
    for t in _wanted(p):
        zones = offered(t)
        for place in zones if by_zone else [get_region()] if zones else []:
            if places is None or place in places:
                kind = "availability-zone" if by_zone else "region"
                name = f"<instanceType>{t['instanceType']}</instanceType>"
                items += f"<item>{name}<locationType>{kind}</locationType><location>{place}</location></item>"
    return ec2._xml(200, "DescribeInstanceTypeOfferingsResponse", f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>")
