"""The request reader and gunicorn read the same requests from the same bytes.

``OTPVOICE_TEST_READINGS`` is the number of random inputs. ``fuzz/request_reader.py`` finds more,
guided by coverage.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server.gunicorn_reading import compare

from otpvoice.server.request_reader import PlainRequest, Reading, read_request

READINGS = int(os.environ.get("OTPVOICE_TEST_READINGS", "1000"))
PLAIN = b"POST /v1/verifications HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "G ET", "", "PRI"])
TARGETS = st.sampled_from(
    ["/", "/healthz", "/v1/x?a=1&b", "//x", "*", "http://x/", "/%2f", "/a#b", "/\x7f", "/\xe9", ""]
) | st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=8).map("/{}".format)
VERSIONS = st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/2.0", "HTTP/1.11", "http/1.1", ""])
NAMES = st.sampled_from(
    [
        *("Host", "Content-Length", "content-length", "Content-Type", "Connection", "Expect"),
        *("Transfer-Encoding", "transfer_encoding", "Content_Length", "X-A", "X_A", "Upgrade"),
        *("X-Forwarded-Proto", "Proxy", "HTTP2-Settings", "SCRIPT_NAME", "X A", "X\t", "", "A:"),
    ]
)
VALUES = st.sampled_from(
    [
        *("x", "", " 1 ", "0", "2", "02", "+2", "2,2", "-1", "1e1", "0x2", "99999", "\x00", "\xe9"),
        *("close", "keep-alive", "Close, x", "upgrade", "chunked", "identity", "100-continue"),
        *("application/json", "a\tb", "a\x0bb", "\u00a0"),
    ]
)
SEPARATORS = st.sampled_from([": "] * 6 + [":", " : ", ":\t", "", ";"])
ENDS = st.sampled_from(["\r\n"] * 12 + ["\n", "\r", "\r\n ", "\r\n\r\n"])
FIELDS = st.lists(st.tuples(NAMES, SEPARATORS, VALUES, ENDS).map("".join), max_size=5).map("".join)
BODIES = st.sampled_from(
    ["", "{}", "{", "0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Build a request from parts that are usual or not, cut off somewhere."""
    line = f"{draw(METHODS)} {draw(TARGETS)} {draw(VERSIONS)}{draw(ENDS)}"
    text = f"{line}{draw(FIELDS)}{draw(ENDS)}{draw(BODIES)}"
    data = text.encode("latin-1")
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@settings(max_examples=READINGS, deadline=None)
@given(requests())
def test_request_is_read_as_gunicorn_reads_it(received: bytes) -> None:
    """Or it is left to gunicorn."""
    compare(received)


@pytest.mark.parametrize("size", range(len(PLAIN)))
def test_part_of_plain_request_waits_for_more(size: int) -> None:
    """At every byte."""
    assert read_request(PLAIN[:size]) is Reading.INCOMPLETE


def test_request_ends_where_the_next_one_begins() -> None:
    """The rest is not touched."""
    request = read_request(PLAIN + PLAIN)
    assert isinstance(request, PlainRequest)
    assert (request.body, request.size) == (b"{}", len(PLAIN))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a#b HTTP/1.1\r\n\r\n",
        b"GET //a HTTP/1.1\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"PUT / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nX_A: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: 1\r\nx: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 65 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
        b"\r\n",
        b"PRI * HTTP/2.0\r\n",
    ],
)
def test_unusual_request_is_left_to_gunicorn(head: bytes) -> None:
    """Whatever two readers might read differently."""
    assert read_request(head) is Reading.UNUSUAL
