"""Types of settings: how text becomes a value, and what a message says when it does not.

msgspec checks types and bounds. A :class:`FieldType` in ``Annotated`` adds a pattern or a parser,
and the words of messages. Plain types such as ``int`` and ``Route`` need none. Parsers raise
``ValueError`` with the reason, and never repeat a value that may be a secret.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
from msgspec import Meta

from otpvoice.addresses import parse_address, parse_ha_url
from otpvoice.core.errors import InvalidNumber
from otpvoice.core.keys import RingKey, decode_base64, parse_key, parse_ring_key
from otpvoice.core.limits import Quota, Ratio, parse_quota, parse_ratio
from otpvoice.core.phone import parse_number
from otpvoice.core.speech import CODE_PATTERN, DEFAULT_FLOW, Flow, clean_name, is_language_tag
from otpvoice.core.verification import CALL_RESULTS, CallStatus, normalize_status_word

WHSEC_PREFIX: Final = "whsec_"
"""An event secret is this prefix and base64 (Standard Webhooks)."""

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_WORD_LENGTH: Final = 40
"""Characters of a status word, as in the record of a call."""
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """A setting's format beyond its Python type."""

    expected_format: str
    """Completes "must be ..."."""
    parse: Callable[[str], object] = str
    """Turns text from any source into the value, or into what msgspec converts."""
    pattern: str = ".*"
    """The whole text must match."""
    is_optional: bool = False
    """Empty text is a value too, and not parsed."""
    is_secret: bool = False
    """The value is masked in every ``repr`` and in logs."""
    is_url: bool = False
    """Only the password of a secret value is a secret, in each of its encodings."""
    is_hash: bool = False
    """The hash of a credential: not secret, but it must not be the sample's."""
    required_key: str = ""
    """A table must have it."""


_PLAIN: Final[Mapping[type, FieldType]] = {
    bool: FieldType("true or false"),
    int: FieldType("a whole number"),
    float: FieldType("a number"),
    str: FieldType("text"),
    Quota: FieldType('count/window like "3/10m", units s, m, h or d', parse_quota),
    Ratio: FieldType('percent/window like "15%/1h", units s, m, h or d, or "off"', parse_ratio),
}


def type_parts(annotation: Any) -> list[Any]:
    """Return the type of an annotation, and then its metadata."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return [part for each in get_args(annotation) for part in type_parts(each)]
    return [annotation]


def field_type(annotation: Any) -> FieldType:
    """Return the field type of a value, or of a list's members."""
    base, *metadata = type_parts(annotation)
    if get_origin(base) is tuple:
        return field_type(get_args(base)[0])
    for each in metadata:
        if isinstance(each, FieldType):
            return each
    words = get_args(base) if get_origin(base) is Literal else ()
    if isinstance(base, type) and issubclass(base, StrEnum):
        words = tuple(base)
    return FieldType("one of " + ", ".join(map(str, words))) if words else _PLAIN[base]


def expected_format(annotation: Any) -> str:
    """Return what a value must be, with its bounds."""
    base, *metadata = type_parts(annotation)
    kind = field_type(annotation)
    text = "a list" if get_origin(base) is tuple else kind.expected_format
    if kind.is_optional and get_origin(base) is not tuple:
        text += ", or empty"
    for meta in metadata:
        if isinstance(meta, Meta) and meta.min_length is not None:
            text += f" of {meta.min_length} or more"
        elif isinstance(meta, Meta) and meta.ge is not None:
            text += f", at least {meta.ge}" if meta.le is None else f", from {meta.ge} to {meta.le}"
    return text


def parse_seconds(text: str) -> int:
    """Parse ``"90"``, ``"90s"``, ``"10m"``, ``"24h"`` or ``"7d"`` into seconds."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None:
        raise ValueError("a number and one of s, m, h, d is expected")
    return int(match[1]) * _UNITS[match[2]]


def _parse_event_secret(text: str) -> str:
    if not text.startswith(WHSEC_PREFIX):
        raise ValueError(f"it does not begin with {WHSEC_PREFIX}")
    decode_base64(text.removeprefix(WHSEC_PREFIX), f"what follows {WHSEC_PREFIX}", 24, 64)
    return text


def _split_url(text: str, *schemes: str) -> SplitResult:
    """Split a URL with a host. The library's own errors may repeat a password."""
    with suppress(ValueError):
        parts = urlsplit(text)
        has_form = re.fullmatch(r"[a-z]+://[!-~]+", text) and parts.hostname and parts.port != 0
        if has_form and parts.scheme in schemes:
            return parts
    raise ValueError("the scheme in lower case, a host and maybe a port are expected, no spaces")


def parse_web_url(text: str) -> str:
    """Validate an http or https URL without credentials and query."""
    parts = _split_url(text, "http", "https")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("remove user, password, query and fragment")
    return text


def parse_origin(text: str) -> str:
    """Validate an origin as browsers write it (RFC 6454, section 6.2)."""
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match["port"] or 1) > 65535:
        raise ValueError("scheme, host in lower case and maybe a port are expected, no path or *")
    if match.groups() in {("http", "80"), ("https", "443")}:
        raise ValueError("the usual port is not written")
    return text


def _parse_proxy_url(text: str) -> str:
    parts = _split_url(text, "http")
    if parts.port is None or parts.path.strip("/") or "?" in text or "#" in text:
        raise ValueError("a port is expected, and no path, query or fragment")
    return text


def _parse_redis_url(text: str) -> str:
    """Validate a URL that :func:`otpvoice.store.discovery.connect` accepts."""
    if text.startswith("redis+"):
        parse_ha_url(text)
    elif text.startswith("unix:"):
        if not re.fullmatch(r"unix://[^/?#]*/[!-~]*", text):
            raise ValueError("unix:// and the path of the socket are expected")
    # redis-py uses database 0 in place of one that is not a number.
    elif not re.fullmatch(r"(/[0-9]*)?", _split_url(text, "redis", "rediss").path):
        raise ValueError("the database after the host is not a number")
    return text


def _parse_bind(text: str) -> str:
    if not re.fullmatch(r"unix:[!-~]+", text):
        parse_address(text)
    return text


def _parse_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{text[:40]!r} is not in the time zone database") from None


def _parse_region(text: str) -> str:
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text[:40]!r} is no region with telephones")
    return text.upper()


def _parse_spoken_name(text: str) -> str:
    name = clean_name(text)
    if not name:
        raise ValueError("nothing of it may be spoken")
    return name


def _parse_tag(text: str) -> str:
    if not is_language_tag(text):
        raise ValueError("it is neither")
    return text.lower()


def _parse_status_word(text: str) -> str:
    word = normalize_status_word(text)
    if not 0 < len(word) <= _MAX_WORD_LENGTH or not text.isprintable():
        raise ValueError("case, spaces, - and _ make no difference")
    return word


def _parse_test_number(text: str) -> str:
    try:
        is_normal = parse_number(text).e164 == text
    except InvalidNumber as error:
        raise ValueError(str(error)) from None
    if not is_normal:
        raise ValueError("it is another way to write a number")
    return text


_VISIBLE: Final = "visible ASCII characters without spaces"
_URL: Final = "an http:// or https:// URL"
_REDIS_URL: Final = "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL"
_secret_url = partial(FieldType, is_secret=True, is_url=True)

Positive = Annotated[int, Meta(ge=1)]
Price = Annotated[float, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[
    int, FieldType('seconds, as a number or like "90s", "10m", "24h", "7d"', parse_seconds)
]
CodeLife = Annotated[Seconds, Meta(ge=60, le=600)]
CallGap = Annotated[Seconds, Meta(ge=0, le=86_400)]
Zone = Annotated[str, FieldType('a time zone such as "Asia/Kolkata"', _parse_zone)]

Bind = Annotated[str, FieldType('"host:port" or "unix:/path"', _parse_bind)]
OptionalBind = Annotated[
    str, FieldType('"host:port"', lambda text: parse_address(text) and text, is_optional=True)
]
WebUrl = Annotated[str, FieldType(_URL, lambda text: parse_web_url(text).rstrip("/"))]
BaseUrl = Annotated[str, FieldType(_URL, lambda text: parse_web_url(text).rstrip("/") + "/")]
EventUrl = Annotated[str, FieldType(_URL, parse_web_url, is_optional=True)]
Origin = Annotated[str, FieldType('an origin like "https://app.example.com"', parse_origin)]
RedisUrl = Annotated[str, _secret_url(_REDIS_URL, _parse_redis_url)]
ProxyUrl = Annotated[
    str, _secret_url("http://[user:password@]host:port", _parse_proxy_url, is_optional=True)
]

Bridge = Annotated[
    str, FieldType("text of 7 to 15 digits with the calling code, without +", pattern="[0-9]{7,15}")
]
CallerId = Annotated[
    str, FieldType("E.164 with +", pattern=r"\+[1-9][0-9]{6,14}", is_optional=True)
]
Prefix = Annotated[
    str, FieldType("the beginning of an E.164 number, with +", pattern=r"\+[1-9][0-9]*")
]
Region = Annotated[str, FieldType("an ISO 3166 code of two letters", _parse_region)]
NumberType = Annotated[
    str,
    FieldType(
        "one of mobile, fixed_line_or_mobile, fixed_line; premium rate, shared cost, personal, "
        "pager, VoIP, satellite and other numbers are never called",
        pattern="mobile|fixed_line_or_mobile|fixed_line",
    ),
]
SpokenName = Annotated[str, FieldType("a name with letters of any script", _parse_spoken_name)]
Currency = Annotated[str, FieldType("an ISO 4217 code of three letters", pattern="[A-Z]{3}")]

Secret = Annotated[str, FieldType(_VISIBLE, pattern="[!-~]+", is_secret=True)]
OptionalSecret = Annotated[
    str, FieldType(_VISIBLE, pattern="[!-~]+", is_optional=True, is_secret=True)
]
PathToken = Annotated[
    str, FieldType("letters, digits, - . _ and ~", pattern="[A-Za-z0-9._~-]+", is_secret=True)
]
KeyHash = Annotated[
    str,
    FieldType("the SHA-256 of a key, 64 hex digits", str.lower, "[0-9A-Fa-f]{64}", is_hash=True),
]
EventSecret = Annotated[
    str, FieldType('"whsec_<base64 of 24 to 64 bytes>"', _parse_event_secret, is_secret=True)
]
Key = Annotated[bytes, FieldType("base64 of exactly 32 bytes", parse_key, is_secret=True)]
NamedKey = Annotated[
    RingKey, FieldType('"<id>:<base64 of exactly 32 bytes>"', parse_ring_key, is_secret=True)
]

_Tag = Annotated[str, FieldType("named by a language tag (BCP 47) or default", _parse_tag)]
_Flow = Annotated[
    Flow,
    FieldType('the id of a flow as text, or { id = "25", text = "…" }', lambda text: {"id": text}),
]
Flows = Annotated[
    Mapping[_Tag, _Flow],
    FieldType(
        'a table like { default = "24", hi = "25" }, or text like default=24,hi=25',
        required_key=DEFAULT_FLOW,
    ),
]
_Word = Annotated[str, FieldType("a word of 1 to 40 printable characters", _parse_status_word)]
_Status = Annotated[
    CallStatus, FieldType(f"one of {', '.join(CALL_RESULTS)}", pattern="|".join(CALL_RESULTS))
]
StatusWords = Annotated[
    Mapping[_Word, _Status],
    FieldType('a table like { "OUT OF ZONE" = "failed" }, or text like OUT OF ZONE=failed'),
]
_TestNumber = Annotated[str, FieldType("a number in E.164", _parse_test_number)]
_Code = Annotated[str, FieldType("a code of 4 to 10 digits, as text", pattern=CODE_PATTERN.pattern)]
TestNumbers = Annotated[
    Mapping[_TestNumber, _Code],
    FieldType(
        'a table like "+919999900001" = "123456", or text like +919999900001=123456',
        is_secret=True,
    ),
]
