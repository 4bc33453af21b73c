"""An adapter that receives callbacks, and callbacks with its secret."""

from typing import Any

from otpvoice.http_client import HttpClient
from otpvoice.providers.base import Callback, CallReport, Challenge
from otpvoice.providers.mobtexting.provider import Mobtexting

SECRET = "hook-secret"
BEARER = f"Bearer {SECRET}"
_HTTP = HttpClient()


def adapter(**settings: Any) -> Mobtexting:
    """Return an adapter with one webhook secret."""
    defaults = {"base_url": "http://x/", "token": "t", "http": _HTTP, "webhook_secrets": (SECRET,)}
    return Mobtexting(**{**defaults, **settings})


def parse(
    body: bytes = b"", query: dict[str, str] | None = None, **settings: Any
) -> tuple[CallReport, ...] | Challenge:
    """Parse a callback with the right secret."""
    return adapter(**settings).parse_callback(Callback(body, query or {}, authorization=BEARER))


def parse_one(
    body: bytes = b"", query: dict[str, str] | None = None, **settings: Any
) -> CallReport:
    """Parse a callback with the right secret and one message."""
    reports = parse(body, query, **settings)
    assert isinstance(reports, tuple)
    (report,) = reports
    return report
