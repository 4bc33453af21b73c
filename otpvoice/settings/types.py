"""Types of settings: how text becomes a value, and what a message says when it does not.

msgspec checks types, bounds and patterns. A :class:`FieldType` in ``Annotated`` adds a parser and
the words of messages. Plain types such as ``int`` and ``Route`` need none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from msgspec import Meta

from otpvoice.core.limits import Quota, Ratio, parse_quota, parse_ratio
from otpvoice.core.speech import Flow
from otpvoice.core.verification import CallStatus
from otpvoice.settings import parsers, tables
from otpvoice.settings.tables import ParsedTable

TableParser = Callable[[Mapping[str, object]], ParsedTable]


@dataclass(frozen=True, slots=True)
class FieldType:
    """A setting's format beyond its Python type."""

    expected_format: str
    """Completes "must be ..."."""
    parse: Callable[[str], object] = str
    """Turns text from any source into the value, or into what msgspec converts."""
    pattern: str = ""
    """The whole text must match, if set."""
    parse_table: TableParser | None = None
    """Set for a table that is one value."""
    is_secret: bool = False
    """The value is masked in every ``repr`` and in logs."""
    is_url: bool = False
    """Only the password of a secret value is a secret, in each of its encodings."""
    is_hash: bool = False
    """The hash of a credential: not secret, but it must not be the sample's."""


_PLAIN: Final[Mapping[type, FieldType]] = {
    bool: FieldType("true or false"),
    int: FieldType("a whole number"),
    float: FieldType("a number"),
    str: FieldType("text"),
    Quota: FieldType('count/window like "3/10m", units s, m, h or d', parse_quota),
    Ratio: FieldType('percent/window like "15%/1h", units s, m, h or d, or "off"', parse_ratio),
}


def required_type(annotation: Any) -> Any:
    """Return the annotation without ``| None``."""
    members = [each for each in get_args(annotation) if each is not NoneType]
    return members[0] if NoneType in get_args(annotation) else annotation


def member_type(annotation: Any) -> Any:
    """Return the type of a list's members; None if ``annotation`` is not a list."""
    base = _base(annotation)
    return get_args(base)[0] if get_origin(base) is tuple else None


def _base(annotation: Any) -> Any:
    """Return the annotation without ``Annotated``."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def field_type(annotation: Any) -> FieldType:
    """Return the field type of a value, or of a list's members."""
    annotation = required_type(annotation)
    if member := member_type(annotation):
        return field_type(member)
    for each in get_args(annotation):
        if isinstance(each, FieldType):
            return each
    base = required_type(_base(annotation))
    words = get_args(base) if get_origin(base) is Literal else ()
    if isinstance(base, type) and issubclass(base, StrEnum):
        words = tuple(base)
    return FieldType("one of " + ", ".join(map(str, words))) if words else _PLAIN[base]


def expected_format(annotation: Any) -> str:
    """Return what a value must be, with its bounds."""
    is_list = member_type(annotation) is not None
    text = "a list" if is_list else field_type(annotation).expected_format
    for meta in get_args(annotation):
        if not isinstance(meta, Meta):
            continue
        if meta.min_length is not None:
            text += f" of {meta.min_length} or more"
        elif meta.ge is not None:
            text += f", at least {meta.ge}" if meta.le is None else f", from {meta.ge} to {meta.le}"
    return text


_VISIBLE: Final = "visible ASCII characters without spaces"
_URL: Final = "an http:// or https:// URL"
_REDIS_URL: Final = "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL"
_PROXY_URL: Final = "http://[user:password@]host:port, or empty"

Positive = Annotated[int, Meta(ge=1)]
Price = Annotated[float, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[
    int, FieldType('seconds, as a number or like "90s", "10m", "24h", "7d"', parsers.parse_seconds)
]
CodeLife = Annotated[Seconds, Meta(ge=60, le=600)]
Zone = Annotated[str, FieldType('a time zone such as "Asia/Kolkata"', parsers.parse_zone)]

Bind = Annotated[str, FieldType('"host:port" or "unix:/path"', parsers.parse_bind)]
OptionalBind = Annotated[str, FieldType('"host:port", or empty', parsers.parse_optional_bind)]
WebUrl = Annotated[str, FieldType(_URL, parsers.parse_web_url)]
BaseUrl = Annotated[str, FieldType(_URL, lambda url: parsers.parse_web_url(url) + "/")]
EventUrl = Annotated[str, FieldType(f"{_URL}, or empty", parsers.parse_event_url)]
Origin = Annotated[str, FieldType('an origin like "https://app.example.com"', parsers.parse_origin)]
RedisUrl = Annotated[
    str, FieldType(_REDIS_URL, parsers.parse_redis_url, is_secret=True, is_url=True)
]
ProxyUrl = Annotated[
    str, FieldType(_PROXY_URL, parsers.parse_proxy_url, is_secret=True, is_url=True)
]

Bridge = Annotated[
    str, FieldType("text of 7 to 15 digits with the calling code, without +", pattern="[0-9]{7,15}")
]
CallerId = Annotated[str, FieldType("E.164 with +, or empty", pattern=r"(\+[1-9][0-9]{6,14})?")]
Prefix = Annotated[
    str, FieldType("the beginning of an E.164 number, with +", pattern=r"\+[1-9][0-9]*")
]
Region = Annotated[str, FieldType("an ISO 3166 code of two letters", parsers.parse_region)]
NumberType = Annotated[
    str, FieldType(f"one of {', '.join(parsers.NUMBER_TYPES)}", parsers.parse_number_type)
]
SpokenName = Annotated[
    str, FieldType("a name with letters of any script", parsers.parse_spoken_name)
]
Currency = Annotated[str, FieldType("an ISO 4217 code of three letters", pattern="[A-Z]{3}")]

Secret = Annotated[str, FieldType(_VISIBLE, pattern="[!-~]+", is_secret=True)]
OptionalSecret = Annotated[str, FieldType(_VISIBLE, pattern="[!-~]*", is_secret=True)]
PathToken = Annotated[
    str, FieldType("letters, digits, - . _ and ~", pattern="[A-Za-z0-9._~-]+", is_secret=True)
]
KeyHash = Annotated[
    str,
    FieldType("the SHA-256 of a key, 64 hex digits", str.lower, "[0-9A-Fa-f]{64}", is_hash=True),
]
EventSecret = Annotated[
    str, FieldType('"whsec_<base64 of 24 to 64 bytes>"', parsers.parse_event_secret, is_secret=True)
]
Key = Annotated[bytes, FieldType("base64 of exactly 32 bytes", parsers.parse_key, is_secret=True)]
NamedKey = Annotated[
    parsers.RingKey,
    FieldType('"<id>:<base64 of exactly 32 bytes>"', parsers.parse_ring_key, is_secret=True),
]

Flows = Annotated[
    Mapping[str, Flow],
    FieldType(
        'a table like { default = "24", hi = "25" }, or text like default=24,hi=25',
        parse_table=tables.parse_flows,
    ),
]
StatusWords = Annotated[
    Mapping[str, CallStatus],
    FieldType(
        'a table like { "OUT OF ZONE" = "failed" }, or text like OUT OF ZONE=failed',
        parse_table=tables.parse_status_words,
    ),
]
TestNumbers = Annotated[
    Mapping[str, str],
    FieldType(
        'a table like "+919999900001" = "123456", or text like +919999900001=123456',
        parse_table=tables.parse_test_numbers,
        is_secret=True,
    ),
]
