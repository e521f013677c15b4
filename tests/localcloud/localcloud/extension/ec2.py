"""EC2 types that MiniStack's CloudFormation lacks, and corrections of those it has."""

from __future__ import annotations

import functools
import uuid
from typing import Any

from ministack.services import ec2, eks, lambda_svc
from ministack.services.cloudformation import provisioners

from localcloud.extension.resource import Failed, Properties, Resource


def new_id(prefix: str) -> str:
    """A new id as EC2 makes them."""
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def read_tags(identifier: str) -> list[dict[str, str]]:
    """The tags of a resource, as a template has them."""
    return list(ec2._tags.get(identifier) or [])


class _SecurityGroupRule(Resource):
    """A rule as a resource of its own: one entry in its group's list, found by its id."""

    store: str

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        group = self._group(properties)
        for other in ("SourceSecurityGroupId", "DestinationSecurityGroupId"):
            if other in properties and properties[other] not in ec2._security_groups:
                raise Failed(f"The security group '{properties[other]}' does not exist")
        (rule,) = provisioners._ec2_sg_permissions([properties])
        if any(_without_identity(rule) == _without_identity(present) for present in group[self.store]):
            raise Failed("the specified rule already exists (Service: Ec2, Status Code: 400, InvalidPermission.Duplicate)")
        rule["SecurityGroupRuleId"] = new_id("sgr")
        group[self.store].append(rule)
        return rule["SecurityGroupRuleId"]

    def read(self, physical_id: str, properties: Properties) -> Properties:
        group = self._group(properties)
        rule = next(r for r in group[self.store] if r.get("SecurityGroupRuleId") == physical_id)
        model: Properties = {"Id": physical_id, "GroupId": group["GroupId"], "IpProtocol": rule["IpProtocol"]}
        model.update({name: rule[name] for name in ("FromPort", "ToPort") if name in rule})
        side = "Source" if self.store == "IpPermissions" else "Destination"
        for ranges, key, name in (
            ("IpRanges", "CidrIp", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId", f"{side}PrefixListId"),
            ("UserIdGroupPairs", "GroupId", f"{side}SecurityGroupId"),
            ("UserIdGroupPairs", "UserId", "SourceSecurityGroupOwnerId"),
        ):
            for entry in rule[ranges]:
                model[name] = entry.get(key)
                model["Description"] = entry.get("Description")
        return model

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        # All but the description replaces the rule.
        group = self._group(new)
        rule = next(r for r in group[self.store] if r.get("SecurityGroupRuleId") == physical_id)
        rule.update(provisioners._ec2_sg_permissions([new])[0])

    def delete(self, physical_id: str, properties: Properties) -> None:
        group = ec2._security_groups.get(properties["GroupId"])
        if group:
            group[self.store][:] = [r for r in group[self.store] if r.get("SecurityGroupRuleId") != physical_id]

    @staticmethod
    def _group(properties: Properties) -> dict[str, Any]:
        group = ec2._security_groups.get(properties.get("GroupId", ""))
        if group is None:
            raise Failed(f"The security group '{properties.get('GroupId')}' does not exist (InvalidGroup.NotFound)")
        return group


def _without_identity(rule: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in ec2._strip_descriptions(rule).items() if k != "SecurityGroupRuleId"}


class SecurityGroupIngress(_SecurityGroupRule):
    """AWS::EC2::SecurityGroupIngress."""

    type = "AWS::EC2::SecurityGroupIngress"
    store = "IpPermissions"


class SecurityGroupEgress(_SecurityGroupRule):
    """AWS::EC2::SecurityGroupEgress."""

    type = "AWS::EC2::SecurityGroupEgress"
    store = "IpPermissionsEgress"


class EIP(Resource):
    """AWS::EC2::EIP; Ref is the address, as on AWS."""

    type = "AWS::EC2::EIP"

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        allocation, address = new_id("eipalloc"), ec2._random_ip("52.")
        ec2._addresses[allocation] = {
            "AllocationId": allocation,
            "PublicIp": address,
            "Domain": properties.get("Domain", "vpc"),
            "AssociationId": None,
            "InstanceId": properties.get("InstanceId"),
            "NetworkInterfaceId": None,
            "PrivateIpAddress": None,
        }
        provisioners._ec2_apply_tags(allocation, properties)
        return address

    def read(self, physical_id: str, properties: Properties) -> Properties:
        address = self._address(physical_id)
        if address is None:
            raise Failed(f"Address {physical_id} does not exist")
        return {name: address[name] for name in ("PublicIp", "AllocationId", "Domain", "InstanceId")} | {
            "Tags": read_tags(address["AllocationId"])
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        address = self._address(physical_id)
        if address is None:
            raise Failed(f"Address {physical_id} does not exist")
        address["InstanceId"] = new.get("InstanceId")
        provisioners._ec2_apply_tags(address["AllocationId"], new, old)

    def delete(self, physical_id: str, properties: Properties) -> None:
        address = self._address(physical_id)
        if address is None:
            return
        allocation = address["AllocationId"]
        if any(allocation in _allocations(n) and n["State"] != "deleted" for n in ec2._nat_gateways.values()):
            raise Failed(f"You do not have permission to access the specified resource: {physical_id} is in use (AuthFailure)")
        ec2._addresses.pop(allocation)
        ec2._tags.pop(allocation, None)

    @staticmethod
    def _address(public_ip: str) -> dict[str, Any] | None:
        return next((a for a in ec2._addresses.values() if a["PublicIp"] == public_ip), None)


def _allocations(gateway: dict[str, Any]) -> list[str]:
    return [gateway.get("AllocationId", "")]


class NatGateway(Resource):
    """AWS::EC2::NatGateway, with one address."""

    type = "AWS::EC2::NatGateway"

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        subnet = ec2._subnets.get(properties.get("SubnetId", ""))
        if subnet is None:
            raise Failed(f"The subnet ID '{properties.get('SubnetId')}' does not exist (InvalidSubnetID.NotFound)")
        public = properties.get("ConnectivityType", "public") == "public"
        if public and properties.get("AllocationId") not in ec2._addresses:
            raise Failed(f"Elastic IP address {properties.get('AllocationId')} could not be associated (InvalidAllocationID.NotFound)")
        if public and not _has_internet_gateway(subnet["VpcId"]):
            # On AWS the gateway is made, and goes to state failed.
            raise Failed(f"Network {subnet['VpcId']} has no Internet gateway attached (Gateway.NotAttached)")
        identifier = new_id("nat")
        ec2._nat_gateways[identifier] = {
            "NatGatewayId": identifier,
            "SubnetId": subnet["SubnetId"],
            "VpcId": subnet["VpcId"],
            "AllocationId": properties.get("AllocationId", ""),
            "ConnectivityType": properties.get("ConnectivityType", "public"),
            "State": "available",
            "Tags": [],
            "CreateTime": ec2._now_ts(),
        }
        provisioners._ec2_apply_tags(identifier, properties)
        return identifier

    def read(self, physical_id: str, properties: Properties) -> Properties:
        gateway = ec2._nat_gateways[physical_id]
        return {name: gateway[name] for name in ("NatGatewayId", "SubnetId", "VpcId", "AllocationId", "ConnectivityType")} | {
            "Tags": read_tags(physical_id)
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        provisioners._ec2_apply_tags(physical_id, new, old)

    def delete(self, physical_id: str, properties: Properties) -> None:
        ec2._nat_gateways.pop(physical_id, None)
        ec2._tags.pop(physical_id, None)


def _has_internet_gateway(vpc: str) -> bool:
    return any(a.get("VpcId") == vpc for g in ec2._internet_gateways.values() for a in g.get("Attachments", []))


class FlowLog(Resource):
    """AWS::EC2::FlowLog."""

    type = "AWS::EC2::FlowLog"
    _KEPT = (
        "ResourceId",
        "ResourceType",
        "TrafficType",
        "LogDestination",
        "LogDestinationType",
        "LogGroupName",
        "DeliverLogsPermissionArn",
        "LogFormat",
        "MaxAggregationInterval",
    )

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        if properties["ResourceType"] == "VPC" and properties["ResourceId"] not in ec2._vpcs:
            raise Failed(f"The VPC ID '{properties['ResourceId']}' does not exist (InvalidVpcID.NotFound)")
        to_logs = properties.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
        if to_logs and "DeliverLogsPermissionArn" not in properties:
            raise Failed("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs (InvalidParameter)")
        identifier = new_id("fl")
        ec2._flow_logs[identifier] = {
            "FlowLogId": identifier,
            "FlowLogStatus": "ACTIVE",
            "CreationTime": ec2._now_ts(),
            "LogDestinationType": "cloud-watch-logs",
            "LogDestination": "",
            "TrafficType": "ALL",
        } | {name: properties[name] for name in self._KEPT if name in properties}
        provisioners._ec2_apply_tags(identifier, properties)
        return identifier

    def read(self, physical_id: str, properties: Properties) -> Properties:
        log = ec2._flow_logs[physical_id]
        return {name: log[name] for name in self._KEPT if name in log} | {"Id": physical_id, "Tags": read_tags(physical_id)}

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        provisioners._ec2_apply_tags(physical_id, new, old)

    def delete(self, physical_id: str, properties: Properties) -> None:
        ec2._flow_logs.pop(physical_id, None)
        ec2._tags.pop(physical_id, None)


def resources() -> list[Resource]:
    """All types of this module."""
    return [SecurityGroupIngress(), SecurityGroupEgress(), EIP(), NatGateway(), FlowLog()]


def install() -> None:
    """Correct the types that MiniStack has."""
    handlers = provisioners._RESOURCE_HANDLERS
    # Attributes that Fn::GetAtt has on AWS.
    for type_name, names in (("AWS::EC2::VPC", ("CidrBlock",)), ("AWS::EC2::Subnet", ("CidrBlock", "VpcId"))):
        for operation in ("create", "update"):
            handlers[type_name][operation] = _with_attributes(handlers[type_name][operation], operation, names)
    handlers["AWS::EC2::LaunchTemplate"]["create"] = _unique_template(handlers["AWS::EC2::LaunchTemplate"]["create"])
    # Deletions that AWS refuses.
    handlers["AWS::EC2::SecurityGroup"]["delete"] = _refusing(
        handlers["AWS::EC2::SecurityGroup"]["delete"], group_users, "resource {id} has a dependent object: {user}"
    )
    handlers["AWS::EC2::Subnet"]["delete"] = _refusing(
        handlers["AWS::EC2::Subnet"]["delete"],
        _subnet_users,
        "The subnet '{id}' has dependencies and cannot be deleted: {user}",
    )


def _with_attributes(handler: Any, operation: str, names: tuple[str, ...]) -> Any:
    @functools.wraps(handler)
    def wrapped(*arguments: Any) -> tuple[str, dict[str, Any]]:
        # create(logical id, properties, stack) and update(physical id, old, new, stack, logical id)
        properties = arguments[1] if operation == "create" else arguments[2]
        physical_id, attributes = handler(*arguments)
        return physical_id, attributes | {name: properties[name] for name in names if name in properties}

    return wrapped


def _unique_template(handler: Any) -> Any:
    @functools.wraps(handler)
    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        name = properties.get("LaunchTemplateName")
        if name and any(t["LaunchTemplateName"] == name for t in ec2._launch_templates.values()):
            raise Failed(f"Launch template name already in use. (InvalidLaunchTemplateName.AlreadyExistsException): {name}")
        return handler(logical_id, properties, stack)

    return create


def _refusing(handler: Any, users: Any, text: str) -> Any:
    @functools.wraps(handler)
    def delete(physical_id: str, properties: Properties) -> None:
        user = next(iter(users(physical_id)), None)
        if user:
            raise Failed(text.format(id=physical_id, user=user) + " (DependencyViolation)")
        handler(physical_id, properties)

    return delete


def group_users(group_id: str) -> list[str]:
    rules = [
        f"a rule of {other['GroupId']}"
        for other in ec2._security_groups.values()
        if other["GroupId"] != group_id
        for store in ("IpPermissions", "IpPermissionsEgress")
        for rule in other.get(store, [])
        if any(pair.get("GroupId") == group_id for pair in rule.get("UserIdGroupPairs", []))
    ]
    return rules + _network_users("SecurityGroupIds", "securityGroupIds", group_id)


def _subnet_users(subnet_id: str) -> list[str]:
    gateways = [n["NatGatewayId"] for n in ec2._nat_gateways.values() if n["SubnetId"] == subnet_id and n["State"] != "deleted"]
    return gateways + _network_users("SubnetIds", "subnetIds", subnet_id)


def _network_users(lambda_key: str, eks_key: str, identifier: str) -> list[str]:
    """Functions, clusters and the like, which on AWS hold network interfaces in a subnet or group."""
    functions = [
        f"function {name}"
        for name, function in lambda_svc._functions.items()
        if identifier in ((function.get("config") or {}).get("VpcConfig") or {}).get(lambda_key, [])
    ]
    clusters = [f"cluster {c['name']}" for c in eks._clusters.values() if identifier in c["resourcesVpcConfig"].get(eks_key, [])]
    groups = [f"node group {g['nodegroupName']}" for g in eks._nodegroups.values() if identifier in g["subnets"]]
    endpoints = [e["VpcEndpointId"] for e in ec2._vpc_endpoints.values() if identifier in (e.get(lambda_key) or [])]
    return functions + clusters + groups + endpoints
