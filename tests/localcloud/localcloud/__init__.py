"""The local cloud: AWS APIs and real Kubernetes control planes on one machine.

MiniStack answers the AWS calls; the `extension` package adds the CloudFormation types and
EKS calls that the project's templates need and MiniStack lacks, and replaces its container
backend for EKS by control planes that run as processes. Everything listens on 127.0.0.1.

`python -m localcloud start` brings it up, `stop` ends all it started.
"""

MINISTACK_VERSION = "1.5.33"
"""The extension uses private names of MiniStack, so the launcher refuses any other version."""

PLATFORM_ACCOUNT = "111111111111"
TARGET_ACCOUNT = "222222222222"
REGION = "us-east-1"
