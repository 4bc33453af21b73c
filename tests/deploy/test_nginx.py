"""config/nginx.conf: errors in the API's format, limits, failover, and logs without secrets."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from api.api_client import VERIFICATIONS, WEBHOOK
from api.test_headers import OVER_TLS, USUAL
from deploy.nginx_proxy import NginxProxy, install, run_nginx
from redis import Redis
from support.processes import find_program, free_port, wait_until
from support.raw_http import RawConnection, RawResponse, chunked, head, post
from support.service import PATH_TOKEN
from support.stack import ApiProcess

SECRET = f"{WEBHOOK}/{PATH_TOKEN}"
HEADERS = USUAL | {OVER_TLS: "max-age=31536000"}


def is_refused(reply: RawResponse, status: int, code: str) -> bool:
    """Whether the response is a problem document with the contract's headers and retry time."""
    found = {name: reply.headers.get(name.lower()) for name in HEADERS}
    retry_times = (reply.headers.get("retry-after"), reply.document.get("retry_after"))
    assert found == HEADERS
    assert retry_times == (("1", 1) if status in {429, 503} else (None, None))
    return reply.is_problem(status, code)


def test_configuration_is_valid(tmp_path: Path, certificate: Path) -> None:
    """``nginx -t`` reports no error."""
    conf = install(tmp_path, certificate, free_port(), free_port(), 8000)
    tested = subprocess.run(
        [find_program("nginx"), "-t", "-c", conf, "-g", f"pid {tmp_path}/pid;"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stderr
    assert "test is successful" in tested.stderr
    assert "[emerg]" not in tested.stderr


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (head("GET /metrics HTTP/1.1"), 404, "not_found"),
        (head("GET /.problem HTTP/1.1"), 404, "not_found"),
        (head("TRACE /healthz HTTP/1.1"), 405, "method_not_allowed"),
        (post("Content-Length: 16385"), 413, "body_too_large"),
        (post("Transfer-Encoding: chunked") + chunked(b"a" * 16_385, 9000), 413, "body_too_large"),
        (head("GET /" + "a" * 8200 + " HTTP/1.1"), 414, "invalid_request"),
        (head("GET /healthz HTTP/1.1", "X: " + "a" * 8200), 431, "invalid_request"),
        (head("GET /healthz HTTP/1.1", "Host: y"), 400, "invalid_request"),
        (post("Content-Length: 1", "Transfer-Encoding: chunked"), 400, "invalid_request"),
        (post("Transfer-Encoding: cow"), 501, "invalid_request"),
    ],
    ids=lambda each: repr(each[:40]) if isinstance(each, bytes) else None,
)
def test_nginx_refuses_in_the_format_of_the_api(
    proxy: NginxProxy, request_bytes: bytes, status: int, code: str
) -> None:
    """With the request's id; the API does not get the request."""
    reply = proxy.send(request_bytes)
    assert is_refused(reply, status, code)
    entry = proxy.access_log_entry(reply)
    assert (entry["status"], entry["upstream"]) == (status, "")


@pytest.mark.parametrize(
    "path",
    ["//metrics", "/./metrics", "/v1/../metrics", "/%6detrics", "/metrics?a", "/v1/..//metrics"],
)
def test_metrics_are_not_public(proxy: NginxProxy, path: str) -> None:
    """In any spelling of the path."""
    reply = proxy.send(head(f"GET {path} HTTP/1.1"))
    assert is_refused(reply, 404, "not_found")
    assert proxy.access_log_entry(reply)["upstream"] == ""


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("size", [16_384, 1])
def test_largest_body_reaches_the_api(proxy: NginxProxy, size: int) -> None:
    """Complete or in small chunks."""
    body = b"a" * 16_384
    replies = [
        proxy.send(post("Content-Length: 16384"), body),
        proxy.send(post("Transfer-Encoding: chunked"), chunked(body, size)),
    ]
    assert [reply.document["detail"] for reply in replies] == [
        "The body is not JSON: Expecting value at line 1, column 1."
    ] * 2


def test_concurrent_requests_per_address_are_limited(proxy: NginxProxy) -> None:
    """The 257th is 429; another address is served."""
    unfinished = post("Content-Length: 100")
    with ExitStack() as stack:
        lines: list[RawConnection] = []
        for n in range(256):
            lines.append(stack.enter_context(proxy.connect("127.0.2.1")))
            lines[n].send(unfinished)
            if n % 32 == 0:  # so that the first are still there when the last has come
                for line in lines:
                    line.send(b"a")
        refused = proxy.send(unfinished, source="127.0.2.1")
        assert is_refused(refused, 429, "rate_limited")
        assert proxy.send(head("GET /healthz HTTP/1.1")).status == 200


def test_request_has_one_id_in_logs_and_response(proxy: NginxProxy, served: ApiProcess) -> None:
    """The client's id, or one that nginx generates."""
    for given, headers in (("login-81", ["Request-Id: login-81"]), ("", ["Request-Id: not so"])):
        reply = proxy.send(head("GET /healthz HTTP/1.1", *headers))
        asked_as = reply.headers["request-id"]
        assert asked_as == given or (not given and len(asked_as) == 32)
        assert proxy.access_log_entry(reply)["status"] == 200
        logged = f'"request_id":"{asked_as}"'
        wait_until(lambda: logged in served.log.read_text("utf-8"), "the log of the API")  # noqa: B023


def test_http_is_redirected_to_https(proxy: NginxProxy) -> None:
    """With the same method and path."""
    with RawConnection(proxy.plain_port) as line:
        line.send(post("Content-Length: 0").replace(b"otp.example.com", b"localhost"))
        reply = line.read_response()
    assert (reply.status, reply.headers["location"]) == (308, f"https://localhost{VERIFICATIONS}")


def test_webhook_path_token_is_in_no_log(proxy: NginxProxy) -> None:
    """Whatever is wrong with the request, and in any spelling of the path."""
    before = len(proxy.access_log())
    requests = [
        head(f"GET {SECRET}?status=ANSWER HTTP/1.1"),
        head(f"GET /{SECRET} HTTP/1.1"),
        head(f"GET /%77ebhooks/mobtexting/{PATH_TOKEN} HTTP/1.1"),
        head(f"GET /hooks/mobtexting/{PATH_TOKEN} HTTP/1.1"),
        head(f"GET {SECRET} HTTP/1.1", f"Referer: https://otp.example.com{SECRET}"),
        head(f"TRACE {SECRET} HTTP/1.1"),
        head(f"GET {SECRET} HTTP/1.1", "no colon"),
        head(f"GET {SECRET} HTTP/1.1", "Host: y"),
        head(f"GET {SECRET} HTTP/1.1", "X: " + "a" * 8200),
        head(f"GET {SECRET}?{'a' * 8200} HTTP/1.1"),
        head(f"GET {SECRET}%zz HTTP/1.1"),
        head(f"GET {SECRET} HTTP/9.9"),
        post("Transfer-Encoding: cow", path=SECRET),
        post("Content-Length: 16385", path=SECRET),
        post("Content-Length: 16385", path="/hooks/a-client-of-the-tests"),
        post("Content-Length: 16385", path=f"/calls/plivo/{PATH_TOKEN}?call=call_0"),
        post("Content-Length: 16385", path=f"/calls/plivo/{PATH_TOKEN}/key?call=call_0"),
        post("Content-Length: 16385", path=f"/webhooks/abroad/{PATH_TOKEN}?call=call_0"),
        post("Transfer-Encoding: chunked", path=SECRET) + b"zz\r\n",
    ]
    for request_bytes in requests:
        proxy.send(request_bytes)
    with RawConnection(proxy.port) as line:  # not over TLS
        line.send(head(f"GET {SECRET} HTTP/1.1"))
        assert line.read_response("GET").status == 400
    with RawConnection(proxy.plain_port) as line:
        line.send(head(f"GET {SECRET} HTTP/1.1"))
        assert line.read_response("GET").status == 308
    # More lines if an earlier test's last line was written late.
    wait_until(lambda: len(proxy.access_log()) >= before + len(requests) + 2, "the access log")
    book = proxy.access_log()[before:]
    routes = {"/webhooks/mobtexting", "/webhooks/<provider>", "/hooks/<client>", "-"}
    doors = {"/calls/<provider>/<token>", "/calls/<provider>/<token>/key"}
    assert {line["route"] for line in book} >= routes | doors
    assert "a-client-of-the-tests" not in str(book)
    assert PATH_TOKEN not in str(book)
    assert PATH_TOKEN not in proxy.error_log()


def test_unreachable_api_is_503(tmp_path: Path, certificate: Path) -> None:
    """The client may retry; the access log names the API that failed."""
    with run_nginx(tmp_path / "nginx", certificate, free_port()) as proxy:
        for path in (VERIFICATIONS, SECRET):
            reply = proxy.send(post("Content-Length: 0", path=path))
            assert is_refused(reply, 503, "service_unavailable")
            assert proxy.access_log_entry(reply)["upstream_status"] == "502"
            assert proxy.access_log_entry(reply)["upstream"]
        assert proxy.error_log() == ""


CANARY = "vrf_ca4a94ca4a94ca4a94ca4a94ca4a94ca"


@pytest.mark.parametrize(
    "request_bytes",
    [
        post("Content-Length: 16385", path=f"/v1/verifications/{CANARY}/checks"),
        post("Transfer-Encoding: chunked", path=f"/v1/verifications/{CANARY}/checks")
        + chunked(b"a" * 16_385, 9000),
        post("Transfer-Encoding: chunked", path=f"/v1/{CANARY}") + b"zz\r\n",
        post("Transfer-Encoding: cow", path=f"/v1/{CANARY}"),
        head(f"GET /v1/{CANARY}?{'a' * 8200} HTTP/1.1"),
        head(f"GET /v1/{CANARY} HTTP/1.1", "X: " + "a" * 8200),
        head(f"GET /v1/{CANARY} HTTP/1.1", "Host: y"),
        head(f"TRACE /v1/{CANARY} HTTP/1.1"),
        head(f"GET /v1/{CANARY}%zz HTTP/1.1"),
        head(f"GET /v1/../../{CANARY} HTTP/1.1"),
        head(f"GET /docs/{CANARY} HTTP/1.1", f"Referer: https://a/{CANARY}"),
    ],
    ids=lambda each: repr(each[:60]),
)
def test_refused_request_is_quoted_in_no_log(proxy: NginxProxy, request_bytes: bytes) -> None:
    """Its path may have the id of a login."""
    reply = proxy.send(request_bytes)
    assert reply.status >= 400
    proxy.access_log_entry(reply)
    assert CANARY not in str(proxy.access_log())
    assert proxy.error_log() == ""


def test_request_rate_per_address_is_limited(tmp_path: Path, certificate: Path) -> None:
    """A flood gets 429 after the first hundreds; another address is served."""
    flood = head("GET /healthz HTTP/1.1") * 900 + head("GET / HTTP/1.1", "Connection: close")
    with run_nginx(tmp_path / "nginx", certificate, free_port()) as proxy:  # which costs no API
        with proxy.connect("127.0.4.1") as line:
            line.send(flood)
            heard = line.read_all()
        assert heard.count(b"HTTP/1.1 503") >= 400
        assert heard.count(b"HTTP/1.1 429") > 0
        neighbour = proxy.send(head("GET /healthz HTTP/1.1"), source="127.0.4.2")
        assert is_refused(neighbour, 503, "service_unavailable")


def test_incomplete_body_does_not_reach_the_api(
    proxy: NginxProxy, served: ApiProcess, redis: Redis
) -> None:
    """A client that leaves during its request has no effect there."""
    del redis
    with proxy.connect() as line:
        line.send(post("Content-Length: 100", "Request-Id: half-a-body"), b"{")
        assert proxy.send(head("GET /healthz HTTP/1.1")).status == 200
    assert "half-a-body" not in served.log.read_text("utf-8")
