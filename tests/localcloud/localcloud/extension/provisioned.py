"""CloudFormation: what MiniStack's own handlers lose of a resource, and names that are taken."""

from __future__ import annotations

import functools
from typing import Any

from ministack.services import dynamodb, ec2, iam, lambda_svc
from ministack.services.cloudformation import provisioners

from localcloud.extension.resource import Failed, Properties


def install() -> None:
    """Complete the handlers."""
    _wrap("AWS::Lambda::Function", "create", "update", after=_connect)
    _wrap("AWS::DynamoDB::Table", "create", "update", after=_encrypt)
    _wrap("AWS::IAM::Role", "create", "update", after=_bound)
    roles = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    roles["create"] = _new_name_only(roles["create"])


def _wrap(type_name: str, *operations: str, after: Any) -> None:
    handlers = provisioners._RESOURCE_HANDLERS[type_name]
    for operation in operations:
        handlers[operation] = _completed(handlers[operation], after, of_create=operation == "create")


def _completed(original: Any, after: Any, of_create: bool) -> Any:
    @functools.wraps(original)
    def handler(*arguments: Any, **more: Any) -> Any:
        answer = original(*arguments, **more)
        # create(logical_id, properties, stack) and update(physical_id, old, new, stack) both begin their answer with the id.
        after(answer[0], arguments[1] if of_create else arguments[2])
        return answer

    return handler


def _connect(name: str, properties: Properties) -> None:
    """A function's place in a VPC; its subnets and security groups must exist."""
    asked = properties.get("VpcConfig") or {}
    subnets, groups = asked.get("SubnetIds") or [], asked.get("SecurityGroupIds") or []
    missing = [i for i in subnets if i not in ec2._subnets] + [i for i in groups if i not in ec2._security_groups]
    if missing:
        raise Failed(f"Error occurred while DescribeSubnets or DescribeSecurityGroups: {missing[0]} does not exist (Service: Lambda, 400)")
    config = lambda_svc._functions[name]["config"]
    config["VpcConfig"] = {
        "SubnetIds": list(subnets),
        "SecurityGroupIds": list(groups),
        "VpcId": ec2._subnets[subnets[0]]["VpcId"] if subnets else "",
        "Ipv6AllowedForDualStack": False,
    }


def _bound(name: str, properties: Properties) -> None:
    """A role's permissions boundary, which has to exist."""
    boundary = properties.get("PermissionsBoundary")
    if boundary and not iam._policy_exists(boundary):
        raise Failed(f"Scope ARN: {boundary} does not exist or is not attachable. (Service: Iam, Status Code: 404)")
    iam._roles[name]["PermissionsBoundary"] = boundary


def _encrypt(name: str, properties: Properties) -> None:
    """A table's encryption; CloudFormation's SSEEnabled is the API's Enabled."""
    asked = properties.get("SSESpecification")
    if asked:
        specification = {**asked, "Enabled": asked.get("SSEEnabled", False)}
        dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(specification)


def _new_name_only(original: Any) -> Any:
    @functools.wraps(original)
    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        name = properties.get("RoleName")
        if name and name in iam._roles:
            raise Failed(f"Role with name {name} already exists. (Service: Iam, Status Code: 409) (HandlerErrorCode: AlreadyExists)")
        return original(logical_id, properties, stack)

    return create
