"""Requests in bytes on a real socket: lengths, chunks, connections and unusual headers."""

import gzip
import json

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, WEBHOOK
from redis import Redis
from support.raw_http import CREATE, RawResponse, chunked, head, post
from support.service import LOGIN_KEY, PATH_TOKEN, WEBHOOK_SECRET
from support.stack import ApiProcess
from support.timing import finishes_within

from otpvoice.store.redis_store import RedisStore

KIB = 1024
BOUND = 16 * KIB
GIGABYTE = "Content-Length: 1073741824"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(autouse=True)
def _dialer_is_alive(store: RedisStore) -> None:
    """Allow creates."""
    store.sweep("a dialer")


def of_size(size: int) -> bytes:
    """Return a valid create of this size."""
    return CREATE + b" " * (size - len(CREATE))


def is_created(reply: RawResponse) -> bool:
    """Return whether a verification was created."""
    return reply.status == 201 and reply.document["status"] == "pending"


def test_body_with_content_length_is_read(served: ApiProcess) -> None:
    """Up to the limit."""
    assert is_created(served.send(post(f"Content-Length: {BOUND}"), of_size(BOUND)))


def test_body_one_byte_over_the_limit_returns_413(served: ApiProcess) -> None:
    """The declared length is enough."""
    reply = served.send(post(f"Content-Length: {BOUND + 1}"), of_size(BOUND + 1))
    assert reply.is_problem(413, "body_too_large")


UUID = "0a1b2c3d-1234-4567-89ab-0123456789ab"


@pytest.mark.parametrize("size", [1, 7, 1000, BOUND])
def test_chunked_body_within_the_limit_is_read(served: ApiProcess, size: int) -> None:
    """However it is divided."""
    assert is_created(served.send(post(CHUNKED), chunked(of_size(BOUND), size)))


@pytest.mark.parametrize("size", [BOUND + 1, BOUND + 2, 2 * BOUND, 300 * KIB])
def test_chunked_body_over_the_limit_returns_413(
    served: ApiProcess, redis: Redis, size: int
) -> None:
    """Although its start is a valid create."""
    with served.connect() as connection:
        connection.send(post(CHUNKED), chunked(of_size(size), 4096))
        assert connection.read_response().is_problem(413, "body_too_large")
    assert not list(redis.scan_iter("*verification:*"))


def test_endless_chunks_return_413(served: ApiProcess) -> None:
    """While they still arrive; the connection closes."""
    with served.connect() as connection:
        connection.send(post(CHUNKED), *[b"%x\r\n%b\r\n" % (KIB, b" " * KIB)] * 200)
        assert connection.read_response().is_problem(413, "body_too_large")
        assert connection.is_closed()


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"0\r\nX-Checksum: x\r\n\r\n"])
def test_empty_chunked_body_is_an_empty_object(served: ApiProcess, ending: bytes) -> None:
    """It has no type to check, and a member is missing."""
    reply = served.send(post(CHUNKED, content_type="text/plain"), ending)
    assert reply.is_problem(422, "invalid_request")
    assert reply.document["errors"][0]["pointer"] == "/to"


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"5\r\nabcdefghijk\r\n0\r\n\r\n",
        b"-1\r\n\r\n0\r\n\r\n",
        b"ffffffffffffffffffff\r\nabc",
        b"5;\r\n\r\n\r\n",
    ],
)
@pytest.mark.parametrize("path", [VERIFICATIONS, f"{WEBHOOK}/{PATH_TOKEN}"])
def test_malformed_chunks_return_400(served: ApiProcess, path: str, body: bytes) -> None:
    """The connection closes, because the next request's start is unknown."""
    with served.connect() as connection:
        connection.send(post(CHUNKED, path=path), body)
        connection.shutdown_write()
        assert connection.read_response().is_problem(400, "invalid_request")
        assert connection.is_closed()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (CHUNKED, b"500\r\n" + CREATE),
        (CHUNKED, b"%x\r\n%b\r\n" % (len(CREATE), CREATE)),
        ("Content-Length: 100", CREATE),
        ("Content-Length: 10", b""),
    ],
)
def test_truncated_body_returns_400(
    served: ApiProcess, redis: Redis, header: str, body: bytes
) -> None:
    """RFC 9112, section 8."""
    with served.connect() as connection:
        connection.send(post(header), body)
        connection.shutdown_write()
        assert connection.read_response().is_problem(400, "invalid_request")
    assert not list(redis.scan_iter("*verification:*"))


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (post(GIGABYTE), 413),
        (post("Content-Length: " + "9" * 30), 413),
        (post(GIGABYTE, "Expect: 100-continue"), 413),
        (post(GIGABYTE, path=f"{VERIFICATIONS}/{UNKNOWN}/cancel"), 413),
        (post(GIGABYTE, path=f"{WEBHOOK}/{PATH_TOKEN}"), 413),
        (post(GIGABYTE, key="unknown"), 401),
        (post(GIGABYTE, path="/nowhere"), 404),
    ],
)
def test_declared_gigabyte_is_answered_at_once(
    served: ApiProcess, request_head: bytes, status: int
) -> None:
    """The server does not wait for it."""
    with finishes_within(1):
        assert served.send(request_head).status == status


def test_unsent_gigabyte_closes_the_connection(served: ApiProcess) -> None:
    """Within seconds."""
    with served.connect() as connection:
        connection.send(post(GIGABYTE))
        assert connection.read_response().is_problem(413, "body_too_large")
        with served.connect() as other:
            other.send(head("GET /healthz HTTP/1.1"))
            assert other.read_response("GET").status == 200
        assert connection.is_closed()


def test_gzip_body_returns_415(served: ApiProcess) -> None:
    """10 MiB in 10 KiB are not unpacked."""
    bomb = gzip.compress(CREATE + b" " * 10 * KIB * KIB)
    assert len(bomb) < BOUND
    reply = served.send(post(f"Content-Length: {len(bomb)}", "Content-Encoding: gzip"), bomb)
    assert reply.is_problem(415, "unsupported_media_type")


def test_connection_is_kept_after_errors(served: ApiProcess) -> None:
    """Also after errors with an unread body."""
    unread = b"x" * 5000
    with served.connect() as connection:
        for request, status in [
            (post(f"Content-Length: {len(CREATE)}") + CREATE, 201),
            (post(f"Content-Length: {len(unread)}", key="unknown") + unread, 401),
            (post(f"Content-Length: {len(unread)}", path="/nowhere") + unread, 404),
            (post(CHUNKED, path="/nowhere") + chunked(unread, 999), 404),
            (post(CHUNKED) + chunked(CREATE, 3), 200),
            (post("Content-Length: 0"), 422),
        ]:
            connection.send(request)
            assert connection.read_response().status == status


def test_body_of_a_get_is_skipped(served: ApiProcess) -> None:
    """The next request is read correctly."""
    with served.connect() as connection:
        for _ in range(2):
            connection.send(head("GET /healthz HTTP/1.1", "Content-Length: 9"), b"GET / HTT")
            assert connection.read_response("GET").document == {"status": "ok"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Authorization: Bearer \xff\xfe\x80"], 401),
        ([f"Authorization: bearer {LOGIN_KEY}"], 404),
        ([f"Authorization:   Bearer   {LOGIN_KEY}  "], 404),
        ([f"authorization: Bearer {LOGIN_KEY}"], 404),
        ([f"Authorization: Bearer {LOGIN_KEY}", "Authorization: Bearer x"], 401),
        ([], 401),
    ],
)
def test_authorization_header_variants(served: ApiProcess, headers: list[str], status: int) -> None:
    """Any bytes, case and blanks; two headers are invalid."""
    reply = served.send(head(f"GET {VERIFICATIONS}/{UNKNOWN} HTTP/1.1", *headers))
    assert reply.status == status
    assert ("www-authenticate" in reply.headers) == (status == 401)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (["Request-Id: abc-1"], "abc-1"),
        (["request-id: abc-1"], "abc-1"),
        (["Request-Id: a", "Request-Id: b"], None),
        (["Request-Id: \xe0\xa4\xb9"], None),
        (["Request_Id: abc-1"], None),
        (["X-Request-Id: abc-1"], "abc-1"),
        (["X-Request-Id: abc-2", "Request-Id: abc-1"], "abc-1"),
        (
            ["Request-Id: 0a1b2c3d-1234-4567-89ab-0123456789ab"],
            "0a1b2c3d-1234-4567-89ab-0123456789ab",
        ),
        # The log would redact it, so nobody could find it there.
        (["Request-Id: req-1234"], None),
        (["Request-Id: 1-2-3-4"], None),
        (["X-Request-Id: eyJhbGciOi"], None),
        ([], None),
    ],
)
def test_request_id_over_the_wire(served: ApiProcess, sent: list[str], kept: str | None) -> None:
    """Used if there is one well-formed header."""
    for target in ("/healthz", "/nowhere", f"{VERIFICATIONS}/{UNKNOWN}"):
        found = served.send(head(f"GET {target} HTTP/1.1", *sent)).headers["request-id"]
        assert found == kept if kept else len(found) == 32


@pytest.mark.parametrize(
    "target",
    ["//v1//verifications", "/v1/verifications/", "/v1/../v1/verifications", "/v1/./verifications"],
)
def test_path_is_not_normalized(served: ApiProcess, target: str) -> None:
    """404 without a redirect."""
    reply = served.send(post("Content-Length: 0", path=target))
    assert reply.is_problem(404, "not_found")
    assert "location" not in reply.headers


@pytest.mark.parametrize(
    "target",
    [
        *("//v1//verifications", "/v1/verifications/", "//metrics/", "//metrics", "///healthz"),
        *("http://otp.example.com//metrics", "//metrics?a=/metrics"),
    ],
)
def test_path_with_extra_slashes_gets_a_suggestion(served: ApiProcess, target: str) -> None:
    """In the detail of the 404."""
    path = target.removeprefix("http://otp.example.com").partition("?")[0]
    meant = f"/{'/'.join(filter(None, path.split('/')))}"
    reply = served.send(head(f"GET {target} HTTP/1.1"))
    assert reply.is_problem(404, "not_found")
    assert reply.document["detail"].endswith(f"Did you mean {meant}?")


@pytest.mark.parametrize("target", ["/%68ealthz", "/metric%73", "/metrics%2f", "/%6D%65trics"])
def test_escaped_path_returns_404(served: ApiProcess, target: str) -> None:
    """A proxy's rule for the plain path would be bypassed."""
    assert served.send(head(f"GET {target} HTTP/1.1")).is_problem(404, "not_found")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://otp.example.com", 200),
        ("http://otp.example.com/healthz?x=%2F#y", 200),
        ("/?x=//y", 200),
        (f"/webhooks/mobtexting/{PATH_TOKEN.replace('-', '%2D')}?id=x&status=BUSY", 200),
        (f"{VERIFICATIONS}/vrf%5F{'0' * 32}", 401),
    ],
)
def test_escaped_parameter_and_absolute_form_are_accepted(
    served: ApiProcess, target: str, status: int
) -> None:
    """Clients may escape an id or a token."""
    reply = served.send(head(f"GET {target} HTTP/1.1"))
    assert (reply.status, "location" in reply.headers) == (status, False)


def test_head_response_has_no_body(served: ApiProcess) -> None:
    """The connection continues after its headers."""
    with served.connect() as connection:
        for target, status in [("/readyz", 200), ("/nowhere", 404)]:
            connection.send(head(f"HEAD {target} HTTP/1.1"))
            reply = connection.read_response("HEAD")
            assert (reply.status, reply.body) == (status, b"")
            assert int(reply.headers["content-length"]) > 0
        connection.send(head("GET /healthz HTTP/1.1"))
        assert connection.read_response("GET").status == 200


def test_expect_100_continue_is_answered(served: ApiProcess) -> None:
    """The body is then read."""
    with served.connect() as connection:
        connection.send(post(f"Content-Length: {len(CREATE)}", "Expect: 100-continue"))
        connection.send(CREATE)
        assert is_created(connection.read_response())


def test_chunked_callback_is_accepted(served: ApiProcess, store: RedisStore) -> None:
    """With the secret in either place."""
    body = chunked(json.dumps({"id": "call_x", "status": "BUSY"}).encode(), 5)
    for request in (
        post(CHUNKED, path=f"{WEBHOOK}/{PATH_TOKEN}", key="x"),
        post(CHUNKED, path=WEBHOOK, key=WEBHOOK_SECRET, content_type="text/plain"),
    ):
        reply = served.send(request, body)
        assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert store.health().dialers == 1
