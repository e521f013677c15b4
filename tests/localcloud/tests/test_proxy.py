"""The proxy: what passes it is unchanged, and what a rule wants is disturbed."""

from __future__ import annotations

import http.client
import http.server
import json
import pathlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import botocore.session
import pytest
from botocore.config import Config

from localcloud.proxy import Answer, Call, Cut, Delay, Hold, Proxy, Refuse, Result, Rule

ARN = "arn:aws:lambda:us-east-1:111111111111:function:f"
INVOKE = f"/2015-03-31/functions/{ARN}/invocations"


class Upstream(http.server.ThreadingHTTPServer):
    """Answers every request with its method, path and length, and keeps what it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        answer = json.dumps({"path": self.path, "bytes": len(body)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Kept", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_HEAD = _handle

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(upstream: Upstream, tmp_path: pathlib.Path) -> Iterator[Proxy]:
    proxy = Proxy(f"http://127.0.0.1:{upstream.server_address[1]}", tmp_path)
    yield proxy
    proxy.stop()


def send(proxy: Proxy, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(proxy.address.removeprefix("http://"), timeout=10)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    return connection.getresponse()


def client(proxy: Proxy, service: str):
    """An AWS client that does not try twice."""
    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=proxy.address,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def every(call: Call) -> bool:
    return True


def test_request_and_answer_pass_unchanged(proxy: Proxy, upstream: Upstream) -> None:
    answer = send(proxy, "POST", "/a%2Fb?c=d&e", b"\x00body", Host="signed.example", X_Custom="1", Authorization="of the caller")
    assert (answer.status, answer.headers["X-Kept"], json.loads(answer.read())) == (200, "yes", {"path": "/a%2Fb?c=d&e", "bytes": 5})
    ((method, path, headers, body),) = upstream.seen
    assert (method, path, body) == ("POST", "/a%2Fb?c=d&e", b"\x00body")
    # All that a signature may cover, the host too.
    assert (headers["Host"], headers["X-Custom"], headers["Authorization"]) == ("signed.example", "1", "of the caller")


def test_body_in_pieces_arrives_whole(proxy: Proxy, upstream: Upstream) -> None:
    connection = http.client.HTTPConnection(proxy.address.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", iter([b"one", b"two"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["bytes"] == 6
    assert upstream.seen[0][3] == b"onetwo"


def test_head_keeps_the_length_of_what_is_not_sent(proxy: Proxy) -> None:
    answer = send(proxy, "HEAD", "/object")
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.read() == b""


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "seen"),
    [
        ("cloudformation", "create_stack", {"StackName": "s", "TemplateURL": "https://x"}, ("cloudformation", "CreateStack", "s")),
        ("dynamodb", "put_item", {"TableName": "t", "Item": {}}, ("dynamodb", "PutItem", "")),
        ("lambda", "invoke", {"FunctionName": ARN}, ("lambda", "Invoke", ARN)),
        ("eks", "describe_cluster", {"name": "c"}, ("eks", "GET /clusters/c", "")),
    ],
)
def test_call_is_understood(proxy: Proxy, service: str, operation: str, arguments: dict, seen: tuple[str, str, str]) -> None:
    proxy.add(Rule(every, Refuse("AccessDeniedException", 403, "not you")))
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        getattr(client(proxy, service), operation)(**arguments)
    # In the form that the service's clients read.
    assert refused.value.response["Error"] == {"Code": "AccessDeniedException", "Message": "not you"} | (
        {"Type": "Sender"} if service == "cloudformation" else {}
    )
    (call,) = proxy.calls
    assert ((call.service, call.action, call.target), call.region, call.key) == (seen, "us-east-1", "key")


def test_function_answers_with_an_error(proxy: Proxy, upstream: Upstream) -> None:
    proxy.add(Rule(every, Answer("Transient", "again")))
    answer = client(proxy, "lambda").invoke(FunctionName=ARN)
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {"errorType": "Transient", "errorMessage": "again"}
    assert upstream.seen == []


def test_function_answers_with_what_the_call_says(proxy: Proxy, upstream: Upstream) -> None:
    proxy.add(Rule(every, Result(lambda call: {"heard": json.loads(call.body)})))
    answer = client(proxy, "lambda").invoke(FunctionName=ARN, Payload=b'"hello"')
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"heard": "hello"}
    assert upstream.seen == []


def test_call_is_held_until_an_event(proxy: Proxy) -> None:
    event = threading.Event()
    proxy.add(Rule(every, Hold(event, Answer("Failed"))))
    with ThreadPoolExecutor(1) as executor:
        held = executor.submit(client(proxy, "lambda").invoke, FunctionName=ARN)
        while not proxy.busy(every):
            assert not held.done()
        event.set()
        assert held.result()["FunctionError"] == "Unhandled"
    assert not proxy.busy(every)


@pytest.mark.parametrize(("made", "calls"), [(False, 0), (True, 1)])
def test_connection_is_cut(proxy: Proxy, upstream: Upstream, made: bool, calls: int) -> None:
    proxy.add(Rule(every, Cut(made)))
    with pytest.raises(http.client.RemoteDisconnected):
        send(proxy, "POST", INVOKE)
    assert len(upstream.seen) == calls


def test_answer_is_late_and_the_call_is_not(proxy: Proxy, upstream: Upstream) -> None:
    proxy.add(Rule(every, Delay(0.3)))
    began = time.monotonic()
    assert send(proxy, "GET", "/").status == 200
    assert time.monotonic() - began >= 0.3
    assert len(upstream.seen) == 1


def test_rule_counts_its_calls(proxy: Proxy) -> None:
    rule = Rule(lambda call: call.path == "/a", Refuse("Throttling", 429), times=2, skip=1)
    proxy.add(rule)
    assert [send(proxy, "GET", path).status for path in ("/a", "/b", "/a", "/a", "/a")] == [200, 200, 429, 429, 200]
    assert rule.seen == 4
    proxy.remove(rule)
    assert send(proxy, "GET", "/a").status == 200
    assert rule.seen == 4


def test_interpreters_act_as_the_account_of_the_function(proxy: Proxy, upstream: Upstream) -> None:
    scope = "AWS4-HMAC-SHA256 Credential={}/20261122/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=s"
    for key in ("ak", "AKIAOTHER"):
        send(proxy, "POST", INVOKE, Authorization=scope.format(key))
    assert [headers["Authorization"] for _, _, headers, _ in upstream.seen] == [scope.format("111111111111"), scope.format("AKIAOTHER")]


def test_invocation_goes_elsewhere(upstream: Upstream, tmp_path: pathlib.Path) -> None:
    elsewhere = Upstream()
    url = f"http://127.0.0.1:{elsewhere.server_address[1]}/functions/F"
    proxy = Proxy(f"http://127.0.0.1:{upstream.server_address[1]}", tmp_path, route=lambda call: url if call.action == "Invoke" else None)
    try:
        send(proxy, "POST", INVOKE, b"{}")
        send(proxy, "GET", "/other")
    finally:
        proxy.stop()
        elsewhere.shutdown()
        elsewhere.server_close()
    assert [path for _, path, _, _ in elsewhere.seen] == ["/functions/F"]
    assert [path for _, path, _, _ in upstream.seen] == ["/other"]
