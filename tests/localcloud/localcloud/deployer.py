"""The IAM user that people and tests act as.

MiniStack takes an account id as the access key of that account's root. Nothing of the
project runs as root, so `start` makes a user in every account and hands out its keys.
"""

from __future__ import annotations

import dataclasses
import json

NAME = "deployer"
_ADMINISTRATOR = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclasses.dataclass(frozen=True)
class Keys:
    """An access key."""

    access_key_id: str
    secret_access_key: str


def create(endpoint: str, account: str) -> Keys:
    """Make the deployer of an account, as the account's root."""
    import botocore.session  # slow to import, and only needed here

    iam = botocore.session.Session().create_client(
        "iam", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id=account, aws_secret_access_key="root"
    )
    iam.create_user(UserName=NAME)
    iam.put_user_policy(UserName=NAME, PolicyName="administrator", PolicyDocument=json.dumps(_ADMINISTRATOR))
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    return Keys(key["AccessKeyId"], key["SecretAccessKey"])
