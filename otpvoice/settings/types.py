"""The kinds of value: how their text is read, and what to say when one is wrong.

msgspec judges types, bounds and patterns; a :class:`Kind` beside the type in ``Annotated`` adds
what msgspec can not know.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from msgspec import Meta

from otpvoice.core.flow import Flow
from otpvoice.core.limits import Quota, Ratio, parse_quota, parse_ratio
from otpvoice.core.speech import CodeFormat
from otpvoice.core.verification import CallStatus, Route
from otpvoice.settings.parsers import (
    NUMBER_TYPES,
    RingKey,
    parse_bind,
    parse_event_secret,
    parse_event_url,
    parse_key,
    parse_number_type,
    parse_optional_bind,
    parse_origin,
    parse_proxy_url,
    parse_redis_url,
    parse_region,
    parse_ring_key,
    parse_seconds,
    parse_spoken_name,
    parse_web_url,
    parse_zone,
)


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a value is beside its type."""

    expected_format: str
    """Completes "must be ..."."""
    parse: Callable[[str], object] = str
    """From text, wherever it was given, to the value or to what msgspec converts."""
    is_secret: bool = False
    """Masked in every ``repr``."""
    is_url: bool = False
    """Of a secret value only the password is secret, in every form that it takes."""


def one_of(words: Iterable[object]) -> FieldType:
    """The kind of a fixed set of words or numbers."""
    return FieldType("one of " + ", ".join(map(str, words)))


def required_type(annotation: Any) -> Any:
    """The annotation without ``| None``: what a value has to be when it is given."""
    given = [each for each in get_args(annotation) if each is not NoneType]
    return given[0] if NoneType in get_args(annotation) else annotation


def base_type(annotation: Any) -> Any:
    """The annotation without ``Annotated``."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def member_type(annotation: Any) -> Any:
    """What a list's members have to be; None when it is no list."""
    base = base_type(annotation)
    return get_args(base)[0] if get_origin(base) is tuple else None


def is_flows(annotation: Any) -> bool:
    """Whether the value is a table of flows."""
    return bool(base_type(annotation) == Mapping[str, Flow])


def is_status_words(annotation: Any) -> bool:
    """Whether the value is a table of status words and their results."""
    return bool(base_type(annotation) == Mapping[str, CallStatus])


def field_type(annotation: Any) -> FieldType:
    """The kind of a value, or of a list's members."""
    annotation = required_type(annotation)
    member = member_type(annotation)
    if member is not None:
        return field_type(member)
    return next(each for each in get_args(annotation) if isinstance(each, FieldType))


def expected_format(annotation: Any) -> str:
    """What a value has to be, with its bounds."""
    listed = member_type(annotation) is not None
    text = "a list" if listed else field_type(annotation).expected_format
    for meta in get_args(annotation):
        if isinstance(meta, Meta):
            text += _bounds(meta)
    return text


def _bounds(meta: Meta) -> str:
    if meta.min_length is not None:
        return f" of {meta.min_length} or more"
    if meta.ge is None:
        return ""
    return f", at least {meta.ge}" if meta.le is None else f", from {meta.ge} to {meta.le}"


_Vendor = Literal["mobtexting"]
_Minutes = Literal[0, 5, 15, 30, 45, 60]
_Level = Literal["debug", "info", "warning", "error"]
_Format = Literal["auto", "json", "console"]

Flag = Annotated[bool, FieldType("true or false")]
Count = Annotated[int, FieldType("a whole number")]
Text = Annotated[str, FieldType("text")]
ProviderName = Annotated[_Vendor, one_of(get_args(_Vendor))]
Interval = Annotated[_Minutes, one_of(get_args(_Minutes))]
LogLevel = Annotated[_Level, one_of(get_args(_Level))]
LogFormat = Annotated[_Format, one_of(get_args(_Format))]
OtpFormat = Annotated[CodeFormat, one_of(CodeFormat)]
CallRoute = Annotated[Route, one_of(Route)]
Seconds = Annotated[
    int, FieldType('seconds, as a number or like "90s", "10m", "24h", "7d"', parse_seconds)
]
CallQuota = Annotated[
    Quota, FieldType('count/window like "3/10m", units s, m, h or d', parse_quota)
]
CallRatio = Annotated[
    Ratio | None,
    FieldType('percent/window like "15%/1h", units s, m, h or d, or "off"', parse_ratio),
]
CodeLife = Annotated[Seconds, Meta(ge=60, le=600)]

Bind = Annotated[str, FieldType('"host:port" or "unix:/path"', parse_bind)]
OptionalBind = Annotated[str, FieldType('"host:port", or empty', parse_optional_bind)]
WebUrl = Annotated[str, FieldType("an http:// or https:// URL", parse_web_url)]
BaseUrl = Annotated[
    str, FieldType("an http:// or https:// URL", lambda url: parse_web_url(url) + "/")
]
Origin = Annotated[str, FieldType('an origin like "https://app.example.com"', parse_origin)]
RedisUrl = Annotated[
    str,
    FieldType(
        "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL",
        parse_redis_url,
        is_secret=True,
        is_url=True,
    ),
]
ProxyUrl = Annotated[
    str,
    FieldType(
        "http://[user:password@]host:port, or empty",
        parse_proxy_url,
        is_secret=True,
        is_url=True,
    ),
]
Zone = Annotated[str, FieldType('a time zone such as "Asia/Kolkata"', parse_zone)]

Bridge = Annotated[
    str,
    Meta(pattern=r"^[0-9]{7,15}\Z"),
    FieldType("text of 7 to 15 digits with calling code, no +"),
]
CallerId = Annotated[
    str, Meta(pattern=r"^(\+[1-9][0-9]{6,14})?\Z"), FieldType("E.164 with +, or empty")
]
Prefix = Annotated[
    str, Meta(pattern=r"^\+[1-9][0-9]*\Z"), FieldType("the beginning of an E.164 number, with +")
]
Region = Annotated[str, FieldType("an ISO 3166 code of two letters", parse_region)]
NumberType = Annotated[str, FieldType("one of " + ", ".join(NUMBER_TYPES), parse_number_type)]
SpokenName = Annotated[str, FieldType("a name with letters of any script", parse_spoken_name)]
Flows = Annotated[
    Mapping[str, Flow],
    FieldType('a table like { default = "24", hi = "25" }, or text like default=24,hi=25'),
]
StatusWordTable = Annotated[
    Mapping[str, CallStatus],
    FieldType('a table like { "OUT OF ZONE" = "failed" }, or text like OUT OF ZONE=failed'),
]

_VISIBLE: Final = "visible ASCII characters without spaces"
Secret = Annotated[str, Meta(pattern=r"^[!-~]+\Z"), FieldType(_VISIBLE, is_secret=True)]
OptionalSecret = Annotated[str, Meta(pattern=r"^[!-~]*\Z"), FieldType(_VISIBLE, is_secret=True)]
PathToken = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._~-]+\Z"),
    FieldType("letters, digits, - . _ and ~", is_secret=True),
]
KeyHash = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{64}\Z"),
    FieldType("the SHA-256 of a key, 64 hex digits", str.lower),
]
Price = Annotated[float, Meta(ge=0, le=1_000_000), FieldType("a number")]
Currency = Annotated[
    str, Meta(pattern=r"^[A-Z]{3}\Z"), FieldType("an ISO 4217 code of three letters")
]
EventUrl = Annotated[str, FieldType("an http:// or https:// URL, or empty", parse_event_url)]
EventSecret = Annotated[
    str, FieldType('"whsec_<base64 of 24 to 64 bytes>"', parse_event_secret, is_secret=True)
]
Key = Annotated[bytes, FieldType("base64 of exactly 32 bytes", parse_key, is_secret=True)]
NamedKey = Annotated[
    RingKey, FieldType('"<id>:<base64 of exactly 32 bytes>"', parse_ring_key, is_secret=True)
]
