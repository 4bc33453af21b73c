"""Malformed or ambiguous HTTP: rejected once, and nothing happens."""

import json
from typing import Any

import pytest
from api.api_client import JSON, VERIFICATIONS, WEBHOOK
from api.test_headers import USUAL
from redis import Redis
from support.raw_http import CREATE, RawResponse, head, post
from support.service import LOGIN_KEY, PATH_TOKEN
from support.stack import ApiProcess, running_api

from otpvoice.store.redis_store import RedisStore

CHUNKED = "Transfer-Encoding: chunked"
SIZED = f"Content-Length: {len(CREATE)}"
ALL = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CREATE), CREATE)
"""A valid create in one chunk."""
HIDDEN = post(SIZED) + CREATE
"""A request that a proxy would take for the body of the previous one."""


@pytest.fixture(autouse=True)
def _dialer_is_alive(store: RedisStore) -> None:
    """Allow creates."""
    store.sweep("a dialer")


@pytest.fixture(scope="module")
def behind_tls(environ: dict[str, str], served: ApiProcess) -> ApiProcess:
    """Return the API with a public address of https."""
    assert environ["OTPVOICE_SERVER_PUBLIC_URL"].startswith("https:")
    return served


def receive_until_closed(served: ApiProcess, *parts: bytes) -> bytes:
    """Return all bytes until the connection closes."""
    with served.connect() as connection:
        connection.send(*parts)
        connection.shutdown_write()
        return connection.read_all()


def is_one_problem(received: bytes, status: int) -> bool:
    """Return whether the bytes are one problem document on a closed connection."""
    assert received.count(b"HTTP/1.") == 1, received
    top, _, body = received.partition(b"\r\n\r\n")
    connection, *fields = top.decode("ascii").split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    document = json.loads(body)
    assert USUAL.items() <= headers.items()
    assert (headers["Connection"], headers["Content-Type"]) == ("close", "application/problem+json")
    assert document["instance"] == f"urn:request:{headers['Request-Id']}"
    assert document["code"] == "invalid_request"
    return (int(connection.split()[1]), document["status"]) == (status, status)


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(SIZED, SIZED) + CREATE,
        post("Content-Length: 0", SIZED) + CREATE,
        post(f"{SIZED}, {len(CREATE)}") + CREATE,
        post(f"Content-Length: +{len(CREATE)}") + CREATE,
        post("Content-Length: -1") + CREATE,
        post(f"Content-Length: {len(CREATE):#x}") + CREATE,
        post("Content-Length: 2_3") + CREATE,
        post("Content-Length: \xb2\xb3") + CREATE,
        post("Content-Length: " + "9" * 5000) + CREATE,
        post("Content-Length:") + CREATE,
        post(SIZED, CHUNKED) + ALL,
        post(CHUNKED, SIZED) + ALL,
        post("Content-Length: 4", CHUNKED) + ALL,
        post(CHUNKED, CHUNKED) + ALL,
        post("Transfer-Encoding: chunked, identity") + ALL,
        post("Transfer-Encoding: chunked, gzip") + ALL,
        post("Transfer-Encoding: gzip", SIZED) + CREATE,
        post("Transfer-Encoding: identity", SIZED) + CREATE,
        post("Transfer-Encoding: \x0bchunked", SIZED) + ALL,
        post("Transfer-Encoding : chunked", SIZED) + ALL,
        post("X: y\r\n Transfer-Encoding: chunked", SIZED) + ALL,
        post(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0") + ALL,
    ],
    ids=lambda request_bytes: repr(request_bytes[130:200]),
)
def test_ambiguous_body_length_returns_400(
    behind_tls: ApiProcess, redis: Redis, request_bytes: bytes
) -> None:
    """What follows is not read (RFC 9112, section 11.2)."""
    before = redis.dbsize()
    assert is_one_problem(receive_until_closed(behind_tls, request_bytes, HIDDEN), 400)
    assert redis.dbsize() == before


@pytest.mark.parametrize("coding", ["xchunked", "chunked;q=1", "cow", ""])
def test_unknown_transfer_coding_returns_501(behind_tls: ApiProcess, coding: str) -> None:
    """RFC 9112, section 6.1."""
    received = receive_until_closed(behind_tls, post(f"Transfer-Encoding: {coding}"), ALL, HIDDEN)
    assert is_one_problem(received, 501)


@pytest.mark.parametrize(
    "codings",
    [
        ["gzip, chunked"],
        ["GZip,\tCHUNKED"],
        ["deflate, chunked"],
        ["compress, gzip, chunked"],
        ["identity, chunked"],
        ["gzip", "chunked"],
        ["identity", "chunked"],
    ],
)
@pytest.mark.parametrize("path", [VERIFICATIONS, f"{WEBHOOK}/{PATH_TOKEN}", "/nowhere"])
def test_transfer_coding_other_than_chunked_returns_501(
    behind_tls: ApiProcess, redis: Redis, path: str, codings: list[str]
) -> None:
    """The body is never read as another one."""
    fields = [f"Transfer-Encoding: {coding}" for coding in codings]
    before = redis.dbsize()
    received = receive_until_closed(behind_tls, post(*fields, path=path), ALL, HIDDEN)
    assert is_one_problem(received, 501)
    assert redis.dbsize() == before


@pytest.mark.parametrize("codings", [["gzip, chunked"], ["gzip", "chunked"], ["identity, chunked"]])
def test_transfer_coding_with_content_length_returns_400(
    behind_tls: ApiProcess, codings: list[str]
) -> None:
    """RFC 9112, section 6.3."""
    fields = [f"Transfer-Encoding: {coding}" for coding in codings]
    received = receive_until_closed(behind_tls, post(*fields, SIZED), ALL, HIDDEN)
    assert is_one_problem(received, 400)


def test_chunked_in_any_case_is_read(behind_tls: ApiProcess) -> None:
    """The only supported coding."""
    assert behind_tls.send(post("Transfer-Encoding: CHUNKed"), ALL).status in {200, 201}


def test_header_with_underscore_is_ignored(behind_tls: ApiProcess, redis: Redis) -> None:
    """Transfer_Encoding is not the header that a proxy checked."""
    reply = behind_tls.send(post("Transfer_Encoding: chunked", "Content-Length: 0"))
    assert reply.is_problem(422, "invalid_request")
    assert not list(redis.scan_iter("*verification:*"))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        head("GET /healthz HTTP/1.1", "Host: y"),
        head("GET /healthz HTTP/1.1", "X: a\x00b"),
        head("GET /healthz HTTP/1.1", "X: a\rb"),
        head("GET /healthz HTTP/1.1", "no colon"),
        head("GET /healthz HTTP/1.1", ": no name"),
        head("GET /healthz HTTP/1.1", "na me: x"),
        head("GET /healthz HTTP/1.1", "Expect: 200-ok"),
        head("get /healthz HTTP/1.1"),
        head("GET /health z HTTP/1.1"),
        head("GET /\xff HTTP/1.1"),
        post("Content-Type: text/plain", SIZED) + CREATE,
    ],
    ids=lambda request_bytes: repr(request_bytes[:60]),
)
def test_malformed_request_line_or_header_returns_400(
    behind_tls: ApiProcess, request_bytes: bytes
) -> None:
    """Whatever version, octet or member is wrong."""
    assert is_one_problem(receive_until_closed(behind_tls, request_bytes, HIDDEN), 400)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (head("GET /" + "a" * 4100 + " HTTP/1.1"), 414),
        (head("GET /healthz?" + "a" * 4100 + " HTTP/1.1"), 414),
        (head("GET /healthz HTTP/1.1", "X: " + "a" * 8200), 431),
        (head("GET /healthz HTTP/1.1", *(f"X-{n}: a" for n in range(64))), 431),
        (head("GET /healthz HTTP/1.1", *["X_Y: a"] * 64, "X: a"), 200),
    ],
    ids=["line", "query", "header", "headers", "dropped headers"],
)
def test_oversized_head_returns_414_or_431(
    behind_tls: ApiProcess, request_bytes: bytes, status: int
) -> None:
    """Line, header and number of headers are limited."""
    received = receive_until_closed(behind_tls, request_bytes)
    assert (
        is_one_problem(received, status) if status != 200 else received.startswith(b"HTTP/1.1 200")
    )


def test_endless_headers_close_the_connection(behind_tls: ApiProcess) -> None:
    """After half a megabyte."""
    with behind_tls.connect() as connection:
        connection.send(head("GET /healthz HTTP/1.1")[:-2])
        with pytest.raises(ConnectionError):
            connection.send(b"X: %b\r\n" % (b"a" * 8000) * 2000)


@pytest.mark.parametrize("target", ["http://evil.example/healthz", "/healthz#x", "/healthz?a=%00"])
def test_absolute_form_is_accepted(behind_tls: ApiProcess, target: str) -> None:
    """RFC 9112, section 3.2.2; its host is ignored."""
    reply = behind_tls.send(head(f"GET {target} HTTP/1.1"))
    assert (reply.status, reply.document) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "broken",
    [b"zz\r\nabc\r\n0\r\n\r\n", b"5\r\nabcdefghijk\r\n", b"5;\r\n\r\n", b"0\r\nHost: x\r\n\r\n"],
)
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), (VERIFICATIONS, 401)])
def test_broken_body_after_the_response_gets_no_second_response(
    behind_tls: ApiProcess, path: str, status: int, broken: bytes
) -> None:
    """The application had not read the body."""
    received = receive_until_closed(
        behind_tls, post(CHUNKED, path=path, key="unknown"), broken, HIDDEN
    )
    assert received.count(b"HTTP/1.") == 1
    assert received.startswith(b"HTTP/1.1 %d" % status)


@pytest.mark.parametrize(
    "header",
    [
        "SCRIPT_NAME: /v1",
        "SCRIPT_NAME: /nowhere",
        "PATH_INFO: /healthz",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Prefix: /nowhere",
        "Forwarded: host=evil.example;proto=http",
        "X-Original-URL: /nowhere",
        "X-HTTP-Method-Override: DELETE",
    ],
)
def test_forwarded_headers_are_ignored(behind_tls: ApiProcess, header: str) -> None:
    """URLs come from the settings."""
    reply: RawResponse = behind_tls.send(post(SIZED, header), CREATE)
    assert reply.status in {200, 201}
    assert reply.headers["location"].startswith("https://otp.example.com/v1/verifications/vrf_")
    assert behind_tls.send(head("GET /nowhere HTTP/1.1", header)).status == 404


@pytest.fixture(scope="module")
def log_of_errors(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Return the log of a process that received only malformed requests."""
    with running_api(environ, tmp_path_factory.mktemp("refusals")) as served:
        for request_bytes in (
            f"GET {WEBHOOK}/{PATH_TOKEN}\r\n\r\n".encode(),
            head(f"GET {WEBHOOK}/{PATH_TOKEN} HTTP/1.1", f"Author ization: {LOGIN_KEY}"),
            head(f"GET {WEBHOOK}/{PATH_TOKEN}?{'a' * 4100} HTTP/1.1"),
            post(CHUNKED, path=f"{WEBHOOK}/{PATH_TOKEN}", content_type=JSON) + b"zz" + CREATE,
            post(CHUNKED, path=f"{WEBHOOK}x/{PATH_TOKEN}", content_type=JSON) + b"zz" + CREATE,
        ):
            receive_until_closed(served, request_bytes)
    return [json.loads(line) for line in served.process.output().splitlines()]


def test_malformed_request_is_logged_without_its_content(
    log_of_errors: list[dict[str, Any]],
) -> None:
    """Reason, status and id only."""
    rejected = [line for line in log_of_errors if line["event"] == "request.malformed"]
    assert [line["http_status"] for line in rejected] == [400, 400, 414]
    assert all(line["error"] and line["request_id"] for line in rejected)
    whole = json.dumps(log_of_errors)
    assert PATH_TOKEN not in whole
    assert LOGIN_KEY not in whole
    assert VERIFICATIONS not in whole
