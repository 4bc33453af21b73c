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
    read_bind,
    read_event_secret,
    read_event_url,
    read_key,
    read_number_type,
    read_optional_bind,
    read_origin,
    read_proxy_url,
    read_redis_url,
    read_region,
    read_ring_key,
    read_seconds,
    read_spoken_name,
    read_web_url,
    read_zone,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is beside its type."""

    expected: str
    """Completes "must be ..."."""
    read: Callable[[str], object] = str
    """From text, wherever it was given, to the value or to what msgspec converts."""
    secret: bool = False
    """Masked in every ``repr``."""
    is_url: bool = False
    """Of a secret value only the password is secret, in every form that it takes."""


def one_of(words: Iterable[object]) -> Kind:
    """The kind of a fixed set of words or numbers."""
    return Kind("one of " + ", ".join(map(str, words)))


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


def kind_of(annotation: Any) -> Kind:
    """The kind of a value, or of a list's members."""
    annotation = required_type(annotation)
    member = member_type(annotation)
    if member is not None:
        return kind_of(member)
    return next(each for each in get_args(annotation) if isinstance(each, Kind))


def expected(annotation: Any) -> str:
    """What a value has to be, with its bounds."""
    listed = member_type(annotation) is not None
    text = "a list" if listed else kind_of(annotation).expected
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


Vendor = Literal["mobtexting"]
Minutes = Literal[0, 5, 15, 30, 45, 60]
Level = Literal["debug", "info", "warning", "error"]
Shape = Literal["auto", "json", "console"]

Flag = Annotated[bool, Kind("true or false")]
Count = Annotated[int, Kind("a whole number")]
Text = Annotated[str, Kind("text")]
ProviderName = Annotated[Vendor, one_of(get_args(Vendor))]
Interval = Annotated[Minutes, one_of(get_args(Minutes))]
LogLevel = Annotated[Level, one_of(get_args(Level))]
LogFormat = Annotated[Shape, one_of(get_args(Shape))]
OtpFormat = Annotated[CodeFormat, one_of(CodeFormat)]
CallRoute = Annotated[Route, one_of(Route)]
Seconds = Annotated[
    int, Kind('seconds, as a number or like "90s", "10m", "24h", "7d"', read_seconds)
]
CallQuota = Annotated[Quota, Kind('count/window like "3/10m", units s, m, h or d', parse_quota)]
CallRatio = Annotated[
    Ratio | None, Kind('percent/window like "15%/1h", units s, m, h or d, or "off"', parse_ratio)
]
CodeLife = Annotated[Seconds, Meta(ge=60, le=600)]

Bind = Annotated[str, Kind('"host:port" or "unix:/path"', read_bind)]
OptionalBind = Annotated[str, Kind('"host:port", or empty', read_optional_bind)]
WebUrl = Annotated[str, Kind("an http:// or https:// URL", read_web_url)]
BaseUrl = Annotated[str, Kind("an http:// or https:// URL", lambda url: read_web_url(url) + "/")]
Origin = Annotated[str, Kind('an origin like "https://app.example.com"', read_origin)]
RedisUrl = Annotated[
    str,
    Kind(
        "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL",
        read_redis_url,
        secret=True,
        is_url=True,
    ),
]
ProxyUrl = Annotated[
    str,
    Kind(
        "http://[user:password@]host:port, or empty",
        read_proxy_url,
        secret=True,
        is_url=True,
    ),
]
Zone = Annotated[str, Kind('a time zone such as "Asia/Kolkata"', read_zone)]

Bridge = Annotated[
    str, Meta(pattern=r"^[0-9]{7,15}\Z"), Kind("text of 7 to 15 digits with calling code, no +")
]
CallerId = Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{6,14})?\Z"), Kind("E.164 with +, or empty")]
Prefix = Annotated[
    str, Meta(pattern=r"^\+[1-9][0-9]*\Z"), Kind("the beginning of an E.164 number, with +")
]
Region = Annotated[str, Kind("an ISO 3166 code of two letters", read_region)]
NumberType = Annotated[str, Kind("one of " + ", ".join(NUMBER_TYPES), read_number_type)]
SpokenName = Annotated[str, Kind("a name with letters of any script", read_spoken_name)]
Flows = Annotated[
    Mapping[str, Flow],
    Kind('a table like { default = "24", hi = "25" }, or text like default=24,hi=25'),
]
StatusWordTable = Annotated[
    Mapping[str, CallStatus],
    Kind('a table like { "OUT OF ZONE" = "failed" }, or text like OUT OF ZONE=failed'),
]

_VISIBLE: Final = "visible ASCII characters without spaces"
Secret = Annotated[str, Meta(pattern=r"^[!-~]+\Z"), Kind(_VISIBLE, secret=True)]
OptionalSecret = Annotated[str, Meta(pattern=r"^[!-~]*\Z"), Kind(_VISIBLE, secret=True)]
PathToken = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._~-]+\Z"), Kind("letters, digits, - . _ and ~", secret=True)
]
KeyHash = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}\Z"), Kind("the SHA-256 of a key, 64 hex digits", str.lower)
]
Price = Annotated[float, Meta(ge=0, le=1_000_000), Kind("a number")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z"), Kind("an ISO 4217 code of three letters")]
EventUrl = Annotated[str, Kind("an http:// or https:// URL, or empty", read_event_url)]
EventSecret = Annotated[
    str, Kind('"whsec_<base64 of 24 to 64 bytes>"', read_event_secret, secret=True)
]
Key = Annotated[bytes, Kind("base64 of exactly 32 bytes", read_key, secret=True)]
NamedKey = Annotated[
    RingKey, Kind('"<id>:<base64 of exactly 32 bytes>"', read_ring_key, secret=True)
]
