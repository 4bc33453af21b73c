"""How the text of a value is read, where that takes more than its type.

Every reader raises ``ValueError`` with what is wrong, and never repeats what may be a secret.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers

from otpvoice.core.speech import clean_name


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of the ring."""

    id: str
    key: bytes = field(repr=False)
    """32 bytes."""


WHSEC_PREFIX: Final = "whsec_"
"""How a secret of events begins; base64 follows."""
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_HOST_AND_PORT: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
"""Host and port, the host in brackets if it has colons."""
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)


def parse_seconds(text: str) -> int:
    """``"90"``, ``"90s"``, ``"10m"``, ``"24h"`` or ``"7d"`` in seconds."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None:
        raise ValueError("a number and one of s, m, h, d is expected")
    return int(match[1]) * _UNITS[match[2]]


def parse_key(text: str) -> bytes:
    """32 bytes from standard or URL-safe base64, with or without padding."""
    try:
        standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if len(key) != 32:
        raise ValueError(f"it decodes to {len(key)} bytes")
    return key


def parse_ring_key(text: str) -> RingKey:
    """A :class:`RingKey` from ``<id>:<base64>``."""
    name, colon, key = text.partition(":")
    if not colon or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
        raise ValueError("the id before the colon has 1 to 32 of a-z, 0-9, _ and -")
    return RingKey(id=name, key=parse_key(key))


def _split_url(text: str) -> SplitResult:
    """The parts of a URL. The library's own errors repeat parts of it, maybe of a password."""
    try:
        parts = urlsplit(text)
        sound = parts.port != 0 and text.startswith(f"{parts.scheme}://")
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is not scheme://host:port/path, or the scheme is not in lower case")
    return parts


def parse_web_url(text: str) -> str:
    """An http or https URL without credentials, query, or a slash at its end."""
    parts = _split_url(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it does not begin with http:// or https:// and a host")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("user, password, query and fragment have no place in it")
    return text.rstrip("/")


def parse_origin(text: str) -> str:
    """An origin as browsers write it (RFC 6454, section 6.2): it is compared as it stands."""
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match["port"] or 1) > 65535:
        raise ValueError(
            "scheme, host in lower case and maybe a port are expected, and no path or *"
        )
    if match.groups() in {("http", "80"), ("https", "443")}:
        raise ValueError("the usual port is not written")
    return text


def parse_event_url(text: str) -> str:
    """Nothing, or such a URL as it is written: a slash at its end makes it another one."""
    if text:
        parse_web_url(text)
    return text


def parse_proxy_url(text: str) -> str:
    """Check an empty text, or ``http://[user:password@]host:port`` and nothing behind it."""
    if not text:
        return text
    parts = _split_url(text)
    if parts.scheme != "http" or not parts.hostname or parts.port is None:
        raise ValueError("it does not begin with http:// and have a host and a port")
    if parts.path.strip("/") or "?" in text or "#" in text:
        raise ValueError("path, query and fragment have no place in it")
    return text


def parse_event_secret(text: str) -> str:
    """``whsec_`` and base64 of 24 to 64 bytes, as Standard Webhooks has it."""
    if not text.startswith(WHSEC_PREFIX):
        raise ValueError(f"it does not begin with {WHSEC_PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(WHSEC_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {WHSEC_PREFIX} is not base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"it decodes to {len(key)} bytes")
    return text


def parse_redis_url(text: str) -> str:
    """A URL that :func:`otpvoice.store.url.connect` takes for what it says."""
    if text.startswith("redis+"):
        return _parse_ha_url(text)
    parts = _split_url(text)
    if parts.scheme == "unix" and parts.path:
        return text
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("the scheme, the host or the path of the socket is missing or unknown")
    # redis-py takes database 0 for one that it can not read.
    if not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError("the database after the host is not a number")
    return text


_LOGIN_OPTIONS: Final = ("sentinel_username", "sentinel_password")


def _parse_ha_url(text: str) -> str:
    """``redis+sentinel://[user:pw@]h:p,h:p/service/db`` or ``redis+cluster://[user:pw@]h:p,h:p``."""
    parts = re.fullmatch(
        r"redis\+(sentinel|cluster)://(?:[^:@/?]*:[^:@/?]*@)?([^@/?]*)([^@?]*)(\?.*)?", text
    )
    if parts is None or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is not redis+sentinel:// or redis+cluster:// and hosts")
    kind, places, path, query = parts.groups()
    if not all(map(_is_host_and_port, places.split(","))):
        raise ValueError("hosts with ports, as in host:port,host:port, are expected")
    if kind == "sentinel" and not re.fullmatch(r"/[^/]+(/[0-9]+)?", path):
        raise ValueError("/service or /service/database is expected after the hosts")
    if kind == "cluster" and path not in {"", "/"}:
        raise ValueError("a cluster has no service and no databases")
    options = [pair.partition("=") for pair in query[1:].split("&")] if query else []
    allowed = _LOGIN_OPTIONS if kind == "sentinel" else ()
    if not all(
        value in {"true", "false"} if name == "tls" else name in allowed and value
        for name, _, value in options
    ):
        more = " and sentinel_username=…, sentinel_password=…" if allowed else ""
        raise ValueError(f"nothing but ?tls=true{more} may follow")
    return text


def _is_host_and_port(text: str) -> bool:
    match = _HOST_AND_PORT.fullmatch(text)
    return match is not None and 0 < int(match[1]) <= 65535


def parse_bind(text: str) -> str:
    """An address to listen on: ``host:port``, ``[::1]:port`` or ``unix:/path``."""
    if re.fullmatch(r"unix:[!-~]+", text):
        return text
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match[1]) > 65535:
        raise ValueError("host, colon and port are expected")
    return text


def parse_optional_bind(text: str) -> str:
    """``host:port`` or ``[::1]:port``; or empty, for nowhere."""
    if text.startswith("unix:"):
        raise ValueError("host, colon and port are expected")
    return parse_bind(text) if text else text


def parse_zone(text: str) -> str:
    """The name of a zone in the time zone database."""
    try:
        return ZoneInfo(text).key
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{text[:40]!r} is not in the time zone database") from None


def parse_region(text: str) -> str:
    """ISO 3166 alpha-2 in capitals."""
    region = text.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text[:40]!r} is no region with telephones")
    return region


NUMBER_TYPES: Final = ("mobile", "fixed_line_or_mobile", "fixed_line")
_NEVER: Final = "premium rate, shared cost, personal, pager, VoIP, satellite and other"


def parse_number_type(text: str) -> str:
    """A type of number that may be called at all."""
    if text not in NUMBER_TYPES:
        raise ValueError(f"{text[:40]!r} is not; {_NEVER} numbers are never called")
    return text


def parse_spoken_name(text: str) -> str:
    """What of a name may be spoken, as it is done with the names in requests."""
    name = clean_name(text)
    if not name:
        raise ValueError("nothing of it may be spoken")
    return name


def parse_pairs(value: object) -> dict[str, object]:
    """The entries of a table, or of text like ``default=24,hi=25``, or of JSON."""
    if not isinstance(value, str):
        return msgspec.convert(value, dict[str, object])
    if value.lstrip().startswith("{"):
        return msgspec.json.decode(value, type=dict[str, object])
    pairs = [pair.partition("=") for pair in re.split(r"[,\n]", value) if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("a pair has no =")
    return {name.strip(): value.strip() for name, _, value in pairs}
