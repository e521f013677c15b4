"""Runs the AWS CDK's kubectl handler, unmodified, as a function's process.

The part of Lambda's Python runtime that it needs: ask for an event, call the handler, send the answer.
Arguments: the folder of the handler.
"""

from __future__ import annotations

import http.client
import json
import os
import sys


def main() -> None:
    """Answers events until the process is ended."""
    sys.path.insert(0, sys.argv[1])
    import index

    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=3600)
    base = "/2018-06-01/runtime/invocation"
    while True:
        api.request("GET", f"{base}/next")
        response = api.getresponse()
        identifier = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.loads(response.read())
        try:
            kind, answer = "response", index.handler(event, None)
        except Exception as error:
            # Lambda's runtime answers for whatever a handler raises.
            kind, answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
        api.request("POST", f"{base}/{identifier}/{kind}", json.dumps(answer).encode())
        api.getresponse().read()


if __name__ == "__main__":
    main()
