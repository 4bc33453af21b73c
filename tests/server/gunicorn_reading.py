"""What gunicorn reads from the same bytes as the request reader."""

from dataclasses import dataclass
from typing import Any

from gunicorn import http
from gunicorn.config import Config
from gunicorn.http import wsgi

from otpvoice.server.request_reader import PlainRequest, Reading, read_request

_SERVER_ONLY = {"wsgi.input", "wsgi.errors", "wsgi.early_hints", "gunicorn.socket"}


def _config() -> Config:
    config = Config()
    for name, value in {
        "limit_request_fields": 64,
        "header_map": "drop",
        "forwarder_headers": "",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
    }.items():
        config.set(name, value)
    return config


CONFIG = _config()


@dataclass(frozen=True)
class GunicornRequest:
    """The first request in some bytes."""

    environ: dict[str, Any]
    body: bytes
    rest: bytes
    """What follows it."""
    closes: bool


def read_with_gunicorn(received: bytes) -> GunicornRequest | None:
    """Return the first request, None if gunicorn refuses it or waits for more."""
    parser = http.get_parser(CONFIG, iter([received]), ("127.0.0.1", 4000))
    try:
        request = next(parser)
        _, environ = wsgi.create(request, None, ("127.0.0.1", 4000), ("127.0.0.1", 80), CONFIG)
        body = request.body.read()
    except Exception:  # noqa: BLE001 - each kind of refusal is one
        return None
    if len(body) < int(environ.get("CONTENT_LENGTH", 0)):
        return None
    environ = {name: value for name, value in environ.items() if name not in _SERVER_ONLY}
    rest = request.unreader.take_buffered()
    return GunicornRequest(environ, body, rest, request.should_close())


def compare(received: bytes) -> Reading | None:
    """Fail unless both read the same, or the request reader leaves the bytes to gunicorn."""
    ours = read_request(received)
    if ours is Reading.UNUSUAL:
        return ours
    theirs = read_with_gunicorn(received)
    if not isinstance(ours, PlainRequest):
        assert theirs is None, "a complete request would wait for more bytes"
        return ours
    assert theirs, "gunicorn refuses it"
    query = ours.target.partition("?")[2]
    expected = {
        "REQUEST_METHOD": ours.method,
        "RAW_URI": ours.target,
        "QUERY_STRING": query,
        **ours.fields,
    }
    fields = {
        name: value
        for name, value in theirs.environ.items()
        if name.startswith(("HTTP_", "CONTENT_")) or name in expected
    }
    assert fields == expected
    assert (theirs.body, theirs.rest) == (ours.body, received[ours.size :])
    assert theirs.closes == ours.closes
    return None
