"""Every endpoint under random and nearly valid requests.

Every response is documented, and no request changes more than its endpoint may change.

``OTPVOICE_TEST_EXAMPLES`` sets the number of requests for each endpoint.
"""

import json
import os
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, WEBHOOK, ApiClient, ManualDialer, assert_problem
from api.test_headers import USUAL
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis
from support.raw_http import CREATE, head, post
from support.service import ASHA, BANK_KEY, LOGIN_KEY, PATH_TOKEN, WEBHOOK_SECRET
from support.stack import ApiProcess
from werkzeug.test import TestResponse

EXAMPLES: Final = int(os.environ.get("OTPVOICE_TEST_EXAMPLES", "20"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CODE = "4711"
DAY = 90_000
"""Longer than the longest window, so that no limit of earlier requests applies."""
DOCUMENTED = {200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503}
BEFORE_THE_API = {414, 431, 501}
"""Statuses of the server for malformed HTTP."""
ENDING = {"status", "reason", "ended_at", "poll_after", "version", "calls"}
ENDPOINTS: dict[str, tuple[str, set[str]]] = {
    "create": (VERIFICATIONS, ENDING),
    "get": (VERIFICATIONS + "/{id}", set()),
    "checks": (VERIFICATIONS + "/{id}/checks", ENDING | {"checks_left"}),
    "calls": (VERIFICATIONS + "/{id}/calls", {"version", "calls"}),
    "cancel": (VERIFICATIONS + "/{id}/cancel", ENDING),
    "approve": (VERIFICATIONS + "/{id}/approve", ENDING),
    "webhook": (WEBHOOK, {"version", "calls"}),
    "webhook by path": (WEBHOOK + "/{token}", {"version", "calls"}),
    "health": ("/healthz", set()),
    "ready": ("/readyz", set()),
    "elsewhere": ("/nowhere{id}", set()),  # never the front page, which may be cached
}
"""Path, and the members of a verification that an accepted request may change."""
WRITES = {"POST", "PUT", "GET"}

TEXT = st.text(max_size=12)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "to": st.sampled_from([ASHA, "+919812345678", "9876543210", "+14155552671", ASHA + "x5"]),
        "code": st.sampled_from([CODE, "0000", "१२३४", "12345678901", 4711, "4711\n"]),
        "name": st.sampled_from(["Asha", "{otp}", "\u202e", "a" * 9_000]) | TEXT,
        "locale": st.sampled_from(["hi", "hi-IN", "xx", "-", "e" * 99]),
        "call_after": st.sampled_from([0, 60, 300, 301, -1, 1e400, "60"]),
        "ttl": st.sampled_from([60, 300, 600, 59, 10**30, True]),
        "route": st.sampled_from(["obd", "c2c", "OBD", ""]),
        "reference": st.sampled_from(["r", "\n", "x" * 65]) | TEXT,
        "ip": st.sampled_from(["203.0.113.7", "::1", "999.1.1.1", "203.0.113.7/24"]),
        "id": st.sampled_from(["call_" + "0" * 32, "*"]),
        "status": st.sampled_from(["ANSWER", "BUSY", "approved"]),
        "validation_key": TEXT,
        "challenge": TEXT,
    },
)
HOSTILE = [
    b"",
    b"[" * 9_000,
    b'{"to":' * 2_000,
    b" " * 16_385,
    b'{"code":"4711","code":"1"}',
    b'{"\\ud800":1}',
    b'{"code":"\\ud800"}',
]
BODIES = st.one_of(
    NEARLY.map(lambda members: json.dumps(members).encode()),
    st.builds(
        lambda members, name, value: json.dumps(members | {name: value}).encode(),
        NEARLY,
        st.sampled_from(["to", "code", "route", "id", "x", "\ud800"]),
        JSON_VALUES,
    ),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from(HOSTILE),
)
WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20)
HEADERS = st.fixed_dictionaries(
    {
        "Authorization": st.sampled_from([f"Bearer {LOGIN_KEY}"] * 6 + [f"Bearer {BANK_KEY}", ""])
        | WORDS,
        "Content-Type": st.sampled_from(["application/json"] * 6 + ["", "text/plain"]) | WORDS,
    },
    optional={
        "Idempotency-Key": st.sampled_from(["k", "k" * 256, "", "ü", "a b"]) | WORDS,
        "Request-Id": WORDS,
        "Content-Encoding": st.sampled_from(["gzip", "identity"]) | WORDS,
        "Accept": WORDS,
        "Cookie": WORDS,
        "Host": WORDS,
        "Expect": WORDS,
        "X-HTTP-Method-Override": st.sampled_from(["DELETE", "POST"]),
    },
)
SEGMENTS = st.sampled_from(["{ours}"] * 6 + [UNKNOWN, "vrf_", "..", ".", "%2e%2e", "%00", "%ff"])
METHODS = st.sampled_from(
    ["POST"] * 5 + ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)


def each_hostile(fuzz: Callable[..., None]) -> Callable[..., None]:
    """Try the hostile bodies first, in an otherwise valid request."""
    headers = {"Authorization": f"Bearer {LOGIN_KEY}", "Content-Type": "application/json"}
    for body in HOSTILE:
        fuzz = example("POST", "{ours}", "", body, headers)(fuzz)
    return fuzz


def stable_members(api: ApiClient, verification: dict[str, Any]) -> dict[str, Any]:
    """Return the verification without the members that change with time."""
    shown = api.get_verification(verification)
    return {name: shown[name] for name in shown if name not in {"expires_in", "next"}}


def is_documented(response: TestResponse) -> bool:
    """Return whether the status is documented and an error is a problem document."""
    assert all(response.headers.getlist(name) == [value] for name, value in USUAL.items())
    assert re.fullmatch("[A-Za-z0-9-]{1,64}", response.headers["Request-Id"])
    if response.status_code >= 400 and response.request.method != "HEAD":
        code = response.get_json()["code"]
        assert_problem(response, response.status_code, code)
    return response.status_code in DOCUMENTED


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoint_with_random_requests_responds_as_documented(
    api: ApiClient, dialer: ManualDialer, name: str
) -> None:
    """Rejected requests change nothing, accepted ones only their own part."""
    template, changeable = ENDPOINTS[name]

    @FUZZ
    @each_hostile
    @given(METHODS, SEGMENTS | TEXT.map(quote), TEXT, BODIES, HEADERS)
    def fuzz(method: str, segment: str, query: str, body: bytes, headers: dict[str, str]) -> None:
        created = api.create(code=CODE)
        dialer.place()
        before = stable_members(api, created)
        path = template.replace("{id}", segment.replace("{ours}", created["id"]))
        path = path.replace("{token}", PATH_TOKEN if segment == "{ours}" else segment)
        if name == "webhook" and headers["Authorization"] == f"Bearer {LOGIN_KEY}":
            headers = headers | {"Authorization": f"Bearer {WEBHOOK_SECRET}"}
        response = api.client.open(
            path, method=method, data=body, headers=headers, query_string=query
        )
        assert is_documented(response), (response.status_code, response.text)
        after = stable_members(api, created)
        changed = {member for member in after if after[member] != before[member]}
        accepted = response.status_code < 300 and method in WRITES
        # A create with another code ends the old one even if a limit then refuses it.
        accepted |= name == "create" and response.status_code == 429
        assert changed <= (changeable if accepted else set()), changed
        if after["status"] == "approved":
            assert name == "approve" or (name == "checks" and response.get_json()["valid"])
        api.advance_time(DAY)

    fuzz()


PIECES = st.sampled_from(
    [
        post(f"Content-Length: {len(CREATE)}"),
        post("Transfer-Encoding: chunked"),
        post("Content-Length: 0", path=f"{VERIFICATIONS}/{UNKNOWN}/cancel"),
        head(f"GET {WEBHOOK}/{PATH_TOKEN}?status=BUSY HTTP/1.1"),
        CREATE,
        b"%x\r\n%b\r\n" % (len(CREATE), CREATE),
        b"0\r\n\r\n",
        b"\r\n",
        b"\n",
        b"\x00",
        b"HTTP/1.1",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ]
)


@settings(FUZZ, max_examples=EXAMPLES * 2)
@given(st.lists(PIECES | st.binary(max_size=8), min_size=1, max_size=6), st.integers(0, 400))
def test_random_bytes_return_a_documented_response_or_none(
    served: ApiProcess, redis: Redis, pieces: list[bytes], cut: int
) -> None:
    """Never 500, and the server keeps serving."""
    raw = b"".join(pieces)
    with served.connect() as connection:
        connection.send(raw[:cut] + raw[cut + 1 :])
        connection.shutdown_write()
        received = connection.read_all()
    statuses = {
        int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", received, re.MULTILINE)
    }
    assert statuses - {100} <= DOCUMENTED | BEFORE_THE_API, received
    assert served.send(head("GET /healthz HTTP/1.1")).status == 200
    redis.flushdb()
