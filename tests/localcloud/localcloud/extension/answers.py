"""Lambda: an answer reaches the caller byte by byte as the function wrote it.

MiniStack reads the JSON of an answer and writes it anew, without escapes; what a function escapes
for its caller's sake, such as all that is not ASCII, would be gone.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc


class Answer(dict[str, Any]):
    """An answer that remembers its text."""

    def __init__(self, content: dict[str, Any], text: bytes) -> None:
        super().__init__(content)
        self.text = text


class Json:
    """The json module, for Lambda."""

    def __getattr__(self, name: str) -> Any:
        return getattr(json, name)

    @staticmethod
    def loads(text: Any, **options: Any) -> Any:
        """As json.loads, but an object that came as bytes remembers them."""
        content = json.loads(text, **options)
        return Answer(content, text) if isinstance(text, bytes) and type(content) is dict else content

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        """As json.dumps, but what came as bytes and was not changed is written as it came."""
        if isinstance(value, Answer) and json.loads(value.text) == value:
            return value.text.decode()
        return json.dumps(value, **options)


def install() -> None:
    """Give MiniStack's Lambda the module: a runtime reads answers, the service writes them."""
    lambda_runtime.json = lambda_svc.json = Json()
