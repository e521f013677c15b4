"""The server process: moto's Step Functions with what it needs to be AWS' here. Started by `engine.process`.

The port to listen on is the first argument. MOTO_PORT is where its tasks' calls go.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto import settings
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils, state_task_lambda
from werkzeug.serving import run_simple

from localcloud.engine import paths

VERSION = "5.2.5"
"""The private names used here are this version's."""


def main() -> None:
    """Serve until a signal ends the process."""
    version = importlib.metadata.version("moto")
    if version != VERSION:
        raise SystemExit(f"the engine is written for moto {VERSION}, this is {version}")
    settings.moto_server_port()  # fails here rather than in the first task
    paths.install()
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    retrier_decl.time = _ScaledTime(float(os.environ.get("ENGINE_WAIT_SCALE", "1")))
    lambda_eval_utils.boto_client_for = _kept(lambda_eval_utils.boto_client_for)
    task = state_task_lambda.StateTaskLambda
    task._from_error = _with_lambda_errors(task._from_error)
    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)


def _kept(original: Any) -> Any:
    """A client takes longer to make than to use."""

    @functools.cache
    def client(region: str, service: str) -> Any:
        return original(region=region, service=service)

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        return client(region, service)

    return client_for


class _ScaledTime:
    """Stands in for the module `time` where retries wait."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def sleep(self, seconds: float) -> None:
        """Waits for the scaled time."""
        time.sleep(seconds * self._scale)


def _with_lambda_errors(original: Any) -> Any:
    """Lambda's own errors by their names, which moto knows for lambda:invoke only."""

    def from_error(self: Any, env: Any, ex: Exception) -> FailureEvent:
        event = original(self, env, ex)
        if isinstance(ex, ClientError):
            name = f"Lambda.{ex.response['Error']['Code']}"
        elif isinstance(ex, BotoCoreError):
            # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
            name = "Lambda.SdkClientException"
        else:
            return event
        details = event.event_details["lambdaFunctionFailedEventDetails"]
        details["error"] = name
        return FailureEvent(env=env, error_name=CustomErrorName(name), event_type=event.event_type, event_details=event.event_details)

    return from_error


if __name__ == "__main__":
    main()
