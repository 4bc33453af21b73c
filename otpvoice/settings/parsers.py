"""Parsers for the text of single values.

Each raises ``ValueError`` with the reason and never repeats a value that may be a secret.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import phonenumbers

from otpvoice.addresses import parse_address, parse_ha_url
from otpvoice.core.speech import clean_name

WHSEC_PREFIX: Final = "whsec_"
"""An event secret is this prefix and base64 (Standard Webhooks)."""
NUMBER_TYPES: Final = ("mobile", "fixed_line_or_mobile", "fixed_line")

_NEVER_CALLED: Final = "premium rate, shared cost, personal, pager, VoIP, satellite and other"
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of the key ring."""

    id: str
    key: bytes = field(repr=False)
    """32 bytes."""


def parse_seconds(text: str) -> int:
    """Parse ``"90"``, ``"90s"``, ``"10m"``, ``"24h"`` or ``"7d"`` into seconds."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None:
        raise ValueError("a number and one of s, m, h, d is expected")
    return int(match[1]) * _UNITS[match[2]]


def parse_key(text: str) -> bytes:
    """Decode 32 bytes of standard or URL-safe base64, with or without padding."""
    standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    key = _decode_base64(standard + "=" * (-len(standard) % 4), "it")
    if len(key) != 32:
        raise ValueError(f"it decodes to {len(key)} bytes")
    return key


def parse_ring_key(text: str) -> RingKey:
    """Parse ``<id>:<base64>``."""
    key_id, colon, key = text.partition(":")
    if not colon or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", key_id):
        raise ValueError("the id before the colon has 1 to 32 of a-z, 0-9, _ and -")
    return RingKey(id=key_id, key=parse_key(key))


def parse_event_secret(text: str) -> str:
    """Validate ``whsec_`` and base64 of 24 to 64 bytes."""
    if not text.startswith(WHSEC_PREFIX):
        raise ValueError(f"it does not begin with {WHSEC_PREFIX}")
    key = _decode_base64(text.removeprefix(WHSEC_PREFIX), f"what follows {WHSEC_PREFIX}")
    if not 24 <= len(key) <= 64:
        raise ValueError(f"it decodes to {len(key)} bytes")
    return text


def _decode_base64(text: str, subject: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{subject} is not base64") from None


def _split_url(text: str) -> SplitResult:
    """Split a URL. The library's own errors may repeat a password."""
    try:
        parts = urlsplit(text)
        is_valid = parts.port != 0 and text.startswith(f"{parts.scheme}://")
    except ValueError:
        is_valid = False
    if not is_valid or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is not scheme://host:port/path, or the scheme is not in lower case")
    return parts


def parse_web_url(text: str) -> str:
    """Validate an http or https URL without credentials and query. Drop a slash at its end."""
    parts = _split_url(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it does not begin with http:// or https:// and a host")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("remove user, password, query and fragment")
    return text.rstrip("/")


def parse_event_url(text: str) -> str:
    """Validate an empty text or a web URL. A slash at its end stays, as part of the URL."""
    if text:
        parse_web_url(text)
    return text


def parse_origin(text: str) -> str:
    """Validate an origin as browsers write it (RFC 6454, section 6.2)."""
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match["port"] or 1) > 65535:
        raise ValueError("scheme, host in lower case and maybe a port are expected, no path or *")
    if match.groups() in {("http", "80"), ("https", "443")}:
        raise ValueError("the usual port is not written")
    return text


def parse_proxy_url(text: str) -> str:
    """Validate an empty text, or ``http://[user:password@]host:port`` without a path."""
    if not text:
        return text
    parts = _split_url(text)
    if parts.scheme != "http" or not parts.hostname or parts.port is None:
        raise ValueError("it does not begin with http:// and have a host and a port")
    if parts.path.strip("/") or "?" in text or "#" in text:
        raise ValueError("remove path, query and fragment")
    return text


def parse_redis_url(text: str) -> str:
    """Validate a URL that :func:`otpvoice.store.discovery.connect` accepts."""
    if text.startswith("redis+"):
        parse_ha_url(text)
        return text
    parts = _split_url(text)
    if parts.scheme == "unix" and parts.path:
        return text
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("the scheme, the host or the path of the socket is missing or unknown")
    # redis-py uses database 0 in place of one that is not a number.
    if not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError("the database after the host is not a number")
    return text


def parse_bind(text: str) -> str:
    """Validate an address to listen on: ``host:port``, ``[::1]:port`` or ``unix:/path``."""
    if not re.fullmatch(r"unix:[!-~]+", text):
        parse_address(text)
    return text


def parse_optional_bind(text: str) -> str:
    """Validate an empty text, ``host:port`` or ``[::1]:port``."""
    if text:
        parse_address(text)
    return text


def parse_zone(text: str) -> str:
    """Validate the name of a zone in the time zone database."""
    try:
        return ZoneInfo(text).key
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{text[:40]!r} is not in the time zone database") from None


def parse_region(text: str) -> str:
    """Parse an ISO 3166 code into capitals."""
    region = text.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text[:40]!r} is no region with telephones")
    return region


def parse_number_type(text: str) -> str:
    """Validate a type of number that may be called at all."""
    if text not in NUMBER_TYPES:
        raise ValueError(f"{text[:40]!r} is not; {_NEVER_CALLED} numbers are never called")
    return text


def parse_spoken_name(text: str) -> str:
    """Clean a name like the names in requests."""
    name = clean_name(text)
    if not name:
        raise ValueError("nothing of it may be spoken")
    return name
