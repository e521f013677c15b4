"""What a request takes as given: a VPC, a cluster admin role, a mirror of the chart."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
from typing import Any

from localcloud import chartrepository

from .cloud import Cloud

Request = dict[str, Any]

_CHART = "aws-load-balancer-controller"


_USABLE = {
    "prefix": r"[a-z0-9-]{1,35}",
    "name": r"[a-z0-9-]{1,35}",
    "awsAccountID": r"\d{12}",
    "awsRegion": r"[a-z]{2}(-[a-z]+)+-\d",
}
_ROLE = r"arn:aws:iam::\d{12}:role/([\w+=,.@-]+/)*[\w+=,.@-]{1,64}"
_MIRROR = r"s3://[a-z0-9.-]{3,63}/.+"


def provide(cloud: Cloud, request: Request) -> Request:
    """Makes what the request names and does not make; returns the request, with the VPC as it is called here.

    What cannot be made of the request is left to Preflight, which says what is wrong.
    """
    if not all(_is(request.get(name), form) for name, form in _USABLE.items()):
        return request
    role, chart = request.get("clusterAdminRole"), request.get("chart")
    if _is(role, _ROLE):
        _admin(cloud, request, role)
    mirror = chart.get("repository") if isinstance(chart, dict) else None
    isolated = _is(mirror, _MIRROR)
    if isolated:
        _mirror(cloud, request, mirror)
    if request.get("vpcConfiguration") != "use_existing" or "vpcId" not in request:
        return request
    return request | {"vpcId": vpc(cloud, f"network-{request['prefix']}-{request['name']}", request["awsRegion"], isolated=isolated)}


def _is(value: object, form: str) -> bool:
    return isinstance(value, str) and re.fullmatch(form, value) is not None


def vpc(cloud: Cloud, stack: str, region: str, *, isolated: bool) -> str:
    """A VPC in a stack of its own, which stays if it is there; without a way to the internet if it is isolated."""
    cloudformation = cloud.client("cloudformation", cloud.target_account, region)
    with contextlib.suppress(cloudformation.exceptions.AlreadyExistsException):
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=(pathlib.Path(__file__).parent / "vpc.yaml").read_text(),
            Parameters=[{"ParameterKey": "WayOut", "ParameterValue": "none" if isolated else "nat"}],
        )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    (output,) = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return output["OutputValue"]


def _admin(cloud: Cloud, request: Request, arn: str) -> None:
    """The role, as Preflight says that it has to be: it trusts the function, which is still to be made."""
    account = request["awsAccountID"]
    function = f"arn:aws:iam::{account}:role/{request['prefix']}-{request['name']}-kubectl-lambda-role"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Condition": {"ArnEquals": {"aws:PrincipalArn": function}},
            }
        ],
    }
    path, _, name = arn.partition(":role/")[2].rpartition("/")
    iam = cloud.client("iam", cloud.target_account)
    try:
        iam.create_role(RoleName=name, Path=f"/{path}/" if path else "/", AssumeRolePolicyDocument=json.dumps(trust))
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))


def _mirror(cloud: Cloud, request: Request, address: str) -> None:
    """The chart in a bucket of the target account."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    region = request["awsRegion"]
    s3 = cloud.client("s3", cloud.target_account, region)
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, **place)
    version = chartrepository.VERSIONS[_CHART][0]
    s3.put_object(Bucket=bucket, Key=key, Body=chartrepository.package(_CHART, version))
