"""EC2: what MiniStack leaves out when it describes VPC endpoints and flow logs, and whose tags are written."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

_KINDS = {
    "subnet": "subnet",
    "vpc": "vpc",
    "sg": "security-group",
    "rtb": "route-table",
    "vpce": "vpc-endpoint",
    "eni": "network-interface",
    "vol": "volume",
}


def kind_of(identifier: str) -> str | None:
    """The resource type in an ARN, by what an id begins with."""
    return _KINDS.get(identifier.partition("-")[0])


def install() -> None:
    """Take the places of the two actions, and name to IAM what is tagged, or looked at."""
    ec2._ACTION_MAP["DescribeVpcEndpoints"] = _describe_endpoints
    ec2._ACTION_MAP["DescribeFlowLogs"] = _describe_flow_logs
    named = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, headers: dict, body: bytes, query: dict, *rest: Any) -> str:
        if service == "ec2" and ec2._p(query, "Action") in ("CreateTags", "DeleteTags"):
            return _tagged(query)
        if service == "iam" and (provider := ec2._p(query, "OpenIDConnectProviderArn")):
            return provider
        return named(service, method, path, headers, body, query, *rest)

    iam_actions.extract_resource_arn = extract_resource_arn


def _tagged(query: dict) -> str:
    """The first resource that a call tags; resources of one call are of one kind here."""
    identifiers = ec2._parse_member_list(query, "ResourceId")
    kinds = {kind_of(identifier) for identifier in identifiers}
    kind = kinds.pop() if len(kinds) == 1 else None
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind}/{identifiers[0]}" if kind else "*"


_FILTERED = {
    "vpc-id": "VpcId",
    "vpc-endpoint-id": "VpcEndpointId",
    "service-name": "ServiceName",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-endpoint-state": "State",
}


def _describe_endpoints(parameters: Any) -> Any:
    filters = ec2._parse_filters(parameters)
    identifiers = ec2._parse_member_list(parameters, "VpcEndpointId")
    if unknown := [name for name in filters if name not in _FILTERED and not name.startswith("tag")]:
        return ec2._error("InvalidParameterValue", f"local cloud: the filter {unknown[0]} is not implemented", 400)
    items = ""
    for endpoint in ec2._vpc_endpoints.values():
        if identifiers and endpoint["VpcEndpointId"] not in identifiers:
            continue
        if not ec2._resource_matches_tag_filters(endpoint["VpcEndpointId"], filters):
            continue
        if all(endpoint[key] in filters[name] for name, key in _FILTERED.items() if name in filters):
            items += _endpoint(endpoint)
    return ec2._xml(200, "DescribeVpcEndpointsResponse", f"<vpcEndpointSet>{items}</vpcEndpointSet>")


def _endpoint(endpoint: dict[str, Any]) -> str:
    """An endpoint as MiniStack writes it, with what it leaves out."""
    groups = "".join(
        f"<item><groupId>{g}</groupId><groupName>{escape((ec2._security_groups.get(g) or {}).get('GroupName', ''))}</groupName></item>"
        for g in endpoint.get("SecurityGroupIds") or []
    )
    interfaces = "".join(f"<item>{i}</item>" for i in endpoint.get("NetworkInterfaceIds") or [])
    entries = "".join(
        f"<item><hostedZoneId>{zone}</hostedZoneId><dnsName>{name}</dnsName></item>"
        for zone, _, name in (entry.partition(":") for entry in endpoint.get("DnsEntries") or [])
    )
    private = "true" if endpoint.get("PrivateDnsEnabled") else "false"
    more = (
        f"<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled>"
        f"<networkInterfaceIdSet>{interfaces}</networkInterfaceIdSet><dnsEntrySet>{entries}</dnsEntrySet>"
    )
    return ec2._vpce_fields_xml(endpoint).removesuffix("</item>") + more + "</item>"


def _describe_flow_logs(parameters: Any) -> Any:
    filters = ec2._parse_filters(parameters)
    # The request's member is FlowLogId, the documented one.
    identifiers = ec2._parse_member_list(parameters, "FlowLogId")
    items = ""
    for log in ec2._flow_logs.values():
        if identifiers and log["FlowLogId"] not in identifiers:
            continue
        if not ec2._resource_matches_tag_filters(log["FlowLogId"], filters):
            continue
        shown = {name: log.get(name, "") for name in _LOG}
        wanted = {"resource-id": "ResourceId", "log-group-name": "LogGroupName", "traffic-type": "TrafficType"}
        if all(shown[key] in filters[name] for name, key in wanted.items() if name in filters):
            fields = "".join(f"<{_LOG[n]}>{escape(str(v))}</{_LOG[n]}>" for n, v in shown.items() if v != "")
            items += f"<item>{fields}{ec2._tag_set_xml(log['FlowLogId'])}</item>"
    return ec2._xml(200, "DescribeFlowLogsResponse", f"<flowLogSet>{items}</flowLogSet>")


_LOG = {
    "FlowLogId": "flowLogId",
    "ResourceId": "resourceId",
    "TrafficType": "trafficType",
    "LogDestinationType": "logDestinationType",
    "LogDestination": "logDestination",
    "LogGroupName": "logGroupName",
    "DeliverLogsPermissionArn": "deliverLogsPermissionArn",
    "FlowLogStatus": "flowLogStatus",
    "CreationTime": "creationTime",
}
