"""Errors of the EKS API."""

from __future__ import annotations

import json
from typing import Any


class EksError(ValueError):
    """An answer of the EKS API that is not a success; the text is what CloudFormation shows."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} (Service: Eks, Status Code: {status}, {code})")
        self.status = status
        self.code = code
        self.message = message


def not_found(message: str) -> EksError:
    """ResourceNotFoundException."""
    return EksError(404, "ResourceNotFoundException", message)


def in_use(message: str) -> EksError:
    """ResourceInUseException."""
    return EksError(409, "ResourceInUseException", message)


def invalid(message: str) -> EksError:
    """InvalidParameterException."""
    return EksError(400, "InvalidParameterException", message)


def answer(response: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    """The body of an answer that one of MiniStack's own EKS functions gave."""
    status, _, body = response
    document = json.loads(body or b"{}")
    if status >= 400:
        raise EksError(status, document.get("__type", "ClientException"), document.get("message", ""))
    return document
