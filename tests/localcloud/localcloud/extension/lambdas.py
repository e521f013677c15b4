"""Lambda: a clean environment for functions, and the kubectl of their own layers.

On AWS a layer's contents appear under /opt. MiniStack runs functions as processes of this
machine, whose /opt is not theirs, so KUBECTL_PATH tells a function where its layer's kubectl
was unpacked. The function falls back to the path under /opt when the variable is absent.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pathlib
import re
import shutil
import threading
import urllib.parse
import zipfile
from typing import Any

from ministack.core import iam_actions, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from localcloud.settings import Settings

_KUBECTL = pathlib.PurePath("kubectl", "kubectl")
_OF_THE_RUNTIME = {"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC"}


def install(settings: Settings) -> None:
    """Build the environment of functions with a custom runtime, which all of the project's are."""
    layers = Layers(settings.layout.layers)
    iam_actions._lambda_action = _action(iam_actions._lambda_action)
    iam_actions.extract_resource_arn = _resource(iam_actions.extract_resource_arn)
    lambda_svc._provided_worker_env = _clean(lambda_svc._provided_worker_env, layers, settings)
    lambda_runtime.ProvidedWorker._await_init = _exiting(lambda_runtime.ProvidedWorker._await_init)


def _exiting(original: Any) -> Any:
    """Name the end of a process before its first event as Lambda does; MiniStack has no name for it.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    """

    @functools.wraps(original)
    def await_init(worker: Any, *arguments: Any, **more: Any) -> None:
        try:
            original(worker, *arguments, **more)
        except RuntimeError as error:
            if str(error).startswith("bootstrap exited during init"):
                raise lambda_runtime.ProvidedRuntimeError(str(error), "Runtime.ExitError") from error
            raise

    return await_init


_LAYER_VERSION = re.compile(r"/[^/]+/layers/(?P<layer>[^/]+)/versions/(?P<version>\d+)")


def _action(original: Any) -> Any:
    """Give the reading of a layer version its own action; MiniStack takes it for ListLayers."""

    def action(method: str, path: str) -> str | None:
        return "GetLayerVersion" if method == "GET" and _LAYER_VERSION.fullmatch(path) else original(method, path)

    return action


def _resource(original: Any) -> Any:
    """Give a layer version its own ARN; MiniStack leaves the version out."""

    @functools.wraps(original)
    def resource(service: str, method: str, path: str, *rest: Any, **more: Any) -> str:
        version = _LAYER_VERSION.fullmatch(path) if service == "lambda" else None
        if not version:
            return original(service, method, path, *rest, **more)
        layer = urllib.parse.unquote(version["layer"])
        if not layer.startswith("arn:"):
            layer = f"arn:aws:lambda:{get_region()}:{get_account_id()}:layer:{layer}"
        return f"{layer}:{version['version']}"

    return resource


def _clean(original: Any, layers: Layers, settings: Settings) -> Any:
    @functools.wraps(original)
    def environment(config: dict[str, Any], code_dir: str, port: int) -> dict[str, str]:
        built = original(config, code_dir, port)
        declared = (config.get("Environment") or {}).get("Variables") or {}
        env = {k: v for k, v in built.items() if k in declared or k not in os.environ}
        env |= _OF_THE_RUNTIME | {"AWS_ENDPOINT_URL": settings.function_endpoint or settings.endpoint}
        # Lambda gives every environment a /tmp of its own.
        env["TMPDIR"] = str(settings.layout.temporary / config.get("FunctionName", "function"))
        pathlib.Path(env["TMPDIR"]).mkdir(parents=True, exist_ok=True)
        for layer in config.get("Layers") or []:
            kubectl = layers.unpack(layer) / _KUBECTL
            if kubectl.exists():
                env["KUBECTL_PATH"] = str(kubectl)
        return env

    return environment


class Layers:
    """Layers unpacked once each, by content."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def unpack(self, layer: dict[str, Any] | str) -> pathlib.Path:
        """The directory with the layer's files."""
        archive = lambda_svc._resolve_layer_zip(layer)
        if archive is None:
            raise RuntimeError(f"the contents of layer {layer} are gone")
        target = self._directory / hashlib.sha256(archive).hexdigest()
        with self._lock:
            if not target.exists():
                partial = target.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                _extract(archive, partial)
                partial.rename(target)
        return target


def _extract(archive: bytes, directory: pathlib.Path) -> None:
    """Unpack with file modes, which zipfile leaves out."""
    with zipfile.ZipFile(io.BytesIO(archive)) as contents:
        contents.extractall(directory)
        for entry in contents.infolist():
            mode = (entry.external_attr >> 16) & 0o777
            if mode and not entry.is_dir():
                (directory / entry.filename).chmod(mode)
