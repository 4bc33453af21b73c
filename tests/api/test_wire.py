"""What only bytes on a real socket can show: lengths, chunks, connections, odd headers."""

import gzip
import json

import pytest
from api.door import UNKNOWN, VERIFICATIONS, WEBHOOK
from api.wire import CREATE, Reply, Served, chunked, head, post
from redis import Redis
from stopwatch import takes_within
from world import LOGIN_KEY, PATH_TOKEN, WEBHOOK_SECRET

from otpvoice.store.redis_store import RedisStore

KIB = 1024
BOUND = 16 * KIB
GIGABYTE = "Content-Length: 1073741824"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(autouse=True)
def _dialer_is_alive(store: RedisStore) -> None:
    """Creates are taken."""
    store.sweep("a dialer")


def of_size(size: int) -> bytes:
    """A good create with as many bytes."""
    return CREATE + b" " * (size - len(CREATE))


def is_created(reply: Reply) -> bool:
    """Whether a verification began."""
    return reply.status == 201 and reply.document["status"] == "pending"


def test_a_told_length(served: Served) -> None:
    """The plain case; the bound itself is within it."""
    assert is_created(served.told(post(f"Content-Length: {BOUND}"), of_size(BOUND)))


def test_one_byte_too_much(served: Served) -> None:
    """413."""
    reply = served.told(post(f"Content-Length: {BOUND + 1}"), of_size(BOUND + 1))
    assert reply.is_problem(413, "body_too_large")


@pytest.mark.parametrize("size", [1, 7, 1000, BOUND])
def test_chunks_within_the_bound(served: Served, size: int) -> None:
    """Read whole, however it is cut."""
    assert is_created(served.told(post(CHUNKED), chunked(of_size(BOUND), size)))


@pytest.mark.parametrize("size", [BOUND + 1, BOUND + 2, 2 * BOUND, 300 * KIB])
def test_chunks_beyond_the_bound(served: Served, redis: Redis, size: int) -> None:
    """413 though what was read up to the bound would be a good create; nothing is begun."""
    with served.line() as line:
        line.says(post(CHUNKED), chunked(of_size(size), 4096))
        assert line.hears().is_problem(413, "body_too_large")
    assert not list(redis.scan_iter("*verification:*"))


def test_endless_chunks(served: Served) -> None:
    """Answered while they still come, and hung up on."""
    with served.line() as line:
        line.says(post(CHUNKED), *[b"%x\r\n%b\r\n" % (KIB, b" " * KIB)] * 200)
        assert line.hears().is_problem(413, "body_too_large")
        assert line.is_hung_up()


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"0\r\nX-Checksum: x\r\n\r\n"])
def test_no_chunk_is_no_body(served: Served, ending: bytes) -> None:
    """An empty body has no type to judge: the member is missing."""
    reply = served.told(post(CHUNKED, content_type="text/plain"), ending)
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
def test_broken_chunks(served: Served, path: str, body: bytes) -> None:
    """400, never 500, and the connection ends: nobody knows where the next request begins."""
    with served.line() as line:
        line.says(post(CHUNKED, path=path), body)
        line.ends()
        assert line.hears().is_problem(400, "invalid_request")
        assert line.is_hung_up()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (CHUNKED, b"500\r\n" + CREATE),
        (CHUNKED, b"%x\r\n%b\r\n" % (len(CREATE), CREATE)),
        ("Content-Length: 100", CREATE),
        ("Content-Length: 10", b""),
    ],
)
def test_a_body_that_is_cut_off(served: Served, redis: Redis, header: str, body: bytes) -> None:
    """400 and nothing is begun: what came is not what was meant (RFC 9112, section 8)."""
    with served.line() as line:
        line.says(post(header), body)
        line.ends()
        assert line.hears().is_problem(400, "invalid_request")
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
def test_a_gigabyte_that_never_comes(served: Served, request_head: bytes, status: int) -> None:
    """Answered at once: nobody waits for it."""
    with takes_within(1):
        assert served.told(request_head).status == status


def test_a_gigabyte_is_not_waited_for(served: Served) -> None:
    """Who keeps the connection open without sending it is hung up on within seconds."""
    with served.line() as line:
        line.says(post(GIGABYTE))
        assert line.hears().is_problem(413, "body_too_large")
        with served.line() as other:
            other.says(head("GET /healthz HTTP/1.1"))
            assert other.hears("GET").status == 200
        assert line.is_hung_up()


def test_a_gzip_bomb_is_not_unpacked(served: Served) -> None:
    """415: 10 MiB of blanks in 10 KiB are not looked at."""
    bomb = gzip.compress(CREATE + b" " * 10 * KIB * KIB)
    assert len(bomb) < BOUND
    reply = served.told(post(f"Content-Length: {len(bomb)}", "Content-Encoding: gzip"), bomb)
    assert reply.is_problem(415, "unsupported_media_type")


def test_a_connection_is_kept(served: Served) -> None:
    """One request after the other, the refused ones with an unread body among them."""
    unread = b"x" * 5000
    with served.line() as line:
        for request, status in [
            (post(f"Content-Length: {len(CREATE)}") + CREATE, 201),
            (post(f"Content-Length: {len(unread)}", key="unknown") + unread, 401),
            (post(f"Content-Length: {len(unread)}", path="/nowhere") + unread, 404),
            (post(CHUNKED, path="/nowhere") + chunked(unread, 999), 404),
            (post(CHUNKED) + chunked(CREATE, 3), 200),
            (post("Content-Length: 0"), 422),
        ]:
            line.says(request)
            assert line.hears().status == status


def test_a_get_may_have_a_body(served: Served) -> None:
    """Nothing reads it, and the next request is not taken for it."""
    with served.line() as line:
        for _ in range(2):
            line.says(head("GET /healthz HTTP/1.1", "Content-Length: 9"), b"GET / HTT")
            assert line.hears("GET").document == {"status": "ok"}


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
def test_the_key_as_it_is_sent(served: Served, headers: list[str], status: int) -> None:
    """Any bytes, case and blanks; two of them are none."""
    reply = served.told(head(f"GET {VERIFICATIONS}/{UNKNOWN} HTTP/1.1", *headers))
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
        ([], None),
    ],
)
def test_a_request_id_over_the_wire(served: Served, sent: list[str], kept: str | None) -> None:
    """Taken over once and well-formed, else ours."""
    for target in ("/healthz", "/nowhere", f"{VERIFICATIONS}/{UNKNOWN}"):
        found = served.told(head(f"GET {target} HTTP/1.1", *sent)).headers["request-id"]
        assert found == kept if kept else len(found) == 32


@pytest.mark.parametrize(
    "target",
    ["//v1//verifications", "/v1/verifications/", "/v1/../v1/verifications", "/v1/./verifications"],
)
def test_an_address_is_taken_as_it_is(served: Served, target: str) -> None:
    """404: nothing is mended, nobody is sent elsewhere."""
    reply = served.told(post("Content-Length: 0", path=target))
    assert reply.is_problem(404, "not_found")
    assert "location" not in reply.headers


@pytest.mark.parametrize(
    "target",
    [
        *("//v1//verifications", "/v1/verifications/", "//metrics/", "//metrics", "///healthz"),
        *("http://otp.example.com//metrics", "//metrics?a=/metrics"),
    ],
)
def test_address_with_odd_slashes_names_the_right_one(served: Served, target: str) -> None:
    """In the detail of the 404."""
    path = target.removeprefix("http://otp.example.com").partition("?")[0]
    meant = f"/{'/'.join(filter(None, path.split('/')))}"
    reply = served.told(head(f"GET {target} HTTP/1.1"))
    assert reply.is_problem(404, "not_found")
    assert reply.document["detail"].endswith(f"Did you mean {meant}?")


@pytest.mark.parametrize("target", ["/%68ealthz", "/metric%73", "/metrics%2f", "/%6D%65trics"])
def test_escaped_address_is_unknown(served: Served, target: str) -> None:
    """A proxy's rule for the plain address would be passed."""
    assert served.told(head(f"GET {target} HTTP/1.1")).is_problem(404, "not_found")


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
def test_escaped_parameter_and_absolute_form_are_read(
    served: Served, target: str, status: int
) -> None:
    """Only the address itself has one spelling; callers may escape an id or a token."""
    reply = served.told(head(f"GET {target} HTTP/1.1"))
    assert (reply.status, "location" in reply.headers) == (status, False)


def test_head_has_no_body(served: Served) -> None:
    """The connection goes on right after its headers."""
    with served.line() as line:
        for target, status in [("/readyz", 200), ("/nowhere", 404)]:
            line.says(head(f"HEAD {target} HTTP/1.1"))
            reply = line.hears("HEAD")
            assert (reply.status, reply.body) == (status, b"")
            assert int(reply.headers["content-length"]) > 0
        line.says(head("GET /healthz HTTP/1.1"))
        assert line.hears("GET").status == 200


def test_expecting_to_continue(served: Served) -> None:
    """The body is asked for, and read."""
    with served.line() as line:
        line.says(post(f"Content-Length: {len(CREATE)}", "Expect: 100-continue"))
        line.says(CREATE)
        assert is_created(line.hears())


def test_a_callback_over_the_wire(served: Served, store: RedisStore) -> None:
    """Chunked, with the secret in any of its two places, as some vendors send it."""
    body = chunked(json.dumps({"id": "call_x", "status": "BUSY"}).encode(), 5)
    for request in (
        post(CHUNKED, path=f"{WEBHOOK}/{PATH_TOKEN}", key="x"),
        post(CHUNKED, path=WEBHOOK, key=WEBHOOK_SECRET, content_type="text/plain"),
    ):
        reply = served.told(request, body)
        assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert store.health().dialers == 1
