"""The running local cloud as the demo and the end-to-end tests see it: where it is and who they are."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
from typing import Any

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]


class CommandFailed(Exception):
    """A command ended with an error; the text is what it said."""


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A running local cloud, described by its cloud.env file."""

    directory: pathlib.Path
    settings: dict[str, str]

    @classmethod
    def at(cls, directory: pathlib.Path) -> Cloud:
        """Reads cloud.env in a directory."""
        settings = {}
        for line in (directory / "cloud.env").read_text().splitlines():
            key, separator, value = line.removeprefix("export ").partition("=")
            if separator and not line.startswith("#"):
                settings[key.strip()] = value.strip().strip("'\"")
        return cls(directory, settings)

    @classmethod
    def start(cls, directory: pathlib.Path) -> Cloud:
        """Starts the local cloud in a directory, or finds it running there."""
        run([sys.executable, "-m", "localcloud", "start", "--dir", str(directory)])
        return cls.at(directory)

    def stop(self) -> None:
        """Ends the local cloud with everything it started."""
        run([sys.executable, "-m", "localcloud", "stop", "--dir", str(self.directory)])

    @property
    def platform_account(self) -> str:
        """The account that the orchestrator lives in."""
        return self.settings["LOCALCLOUD_PLATFORM_ACCOUNT"]

    @property
    def target_account(self) -> str:
        """The account that environments are made in."""
        return self.settings["LOCALCLOUD_TARGET_ACCOUNT"]

    def environment(self, account: str | None = None) -> dict[str, str]:
        """The environment variables for a command that acts in an account (default: the platform's)."""
        merged = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | self.settings
        if account == self.target_account:
            merged["AWS_ACCESS_KEY_ID"] = self.settings["LOCALCLOUD_TARGET_ACCESS_KEY_ID"]
            merged["AWS_SECRET_ACCESS_KEY"] = self.settings["LOCALCLOUD_TARGET_SECRET_ACCESS_KEY"]
        return merged

    def client(self, service: str, account: str | None = None, region: str | None = None) -> Any:
        """A client of an AWS service, acting as an account's deployer."""
        environment = self.environment(account)
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=region or environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            # The kubectl function may work for minutes: no second call behind its back.
            config=Config(read_timeout=900, retries={"total_max_attempts": 1}),
        )


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Runs a command in the project's folder and returns what it printed."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    return done.stdout
