"""Types of settings: how text becomes a value, and what a message says when it does not.

msgspec checks types and bounds. A :class:`FieldType` in ``Annotated`` adds a pattern or a parser,
and the words of messages. Plain types such as ``int`` and enumerations need none. Parsers raise
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
from otpvoice.core.limits import Quota, Ratio, parse_quota, parse_ratio
from otpvoice.core.phone import parse_number
from otpvoice.core.speech import CODE_PATTERN, DEFAULT_FLOW, Flow, clean_name, is_language_tag
from otpvoice.core.verification import CALL_RESULTS, CallStatus, normalize_status_word
from otpvoice.core.written_keys import decode_base64, parse_key, parse_ring_key

WHSEC_PREFIX: Final = "whsec_"
"""An event secret is this prefix and base64 (Standard Webhooks)."""
_REST: Final = f"what follows {WHSEC_PREFIX}"
"""Supabase writes the version of the signature before the secret."""

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
    separator: str = r"[,\n]"
    """Separates the members of a list in text."""

    def parse_text(self, text: str) -> object:
        """Parse text. Raises ``ValueError`` with the reason, if the format does not say it."""
        if self.is_optional and not text:
            return text
        if not re.fullmatch(self.pattern, text, re.DOTALL):
            raise ValueError
        return self.parse(text)


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
    if own := [each for each in metadata if isinstance(each, FieldType)]:
        return own[0]
    words = get_args(base) if get_origin(base) is Literal else ()
    if isinstance(base, type) and issubclass(base, StrEnum):
        words = tuple(base)
    return FieldType("one of " + ", ".join(map(str, words))) if words else _PLAIN[base]


def expected_format(annotation: Any) -> str:
    """Return what a value must be, with its bounds."""
    base, *metadata = type_parts(annotation)
    kind = field_type(annotation)
    text = "a list" if get_origin(base) is tuple else kind.expected_format
    text += ", or empty" * kind.is_optional
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


def _checked(
    accepts: Callable[[str], object], convert: Callable[[str], object] = str, reason: str = ""
) -> Callable[[str], object]:
    """Return a parser of text that passes a check.

    Args:
        accepts: the check.
        convert: makes the value.
        reason: of a refusal, with a place for the text; without it the format says enough.
    """

    def parse(text: str) -> object:
        if not accepts(text):
            raise ValueError(reason.format(text))
        return convert(text)

    return parse


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


def _is_proxy_url(text: str) -> bool:
    parts = _split_url(text, "http")
    if parts.port is None or parts.path.strip("/") or {"?", "#"} & {*text}:
        raise ValueError("a port is expected, and no path, query or fragment")
    return True


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


def _is_status_word(text: str) -> bool:
    return 0 < len(normalize_status_word(text)) <= _MAX_WORD_LENGTH and text.isprintable()


def _is_zone(text: str) -> bool:
    with suppress(KeyError, OSError, ValueError):
        return bool(ZoneInfo(text).key)
    return False


def _is_test_number(text: str) -> bool:
    try:
        return parse_number(text).e164 == text
    except InvalidNumber as error:
        raise ValueError(str(error)) from None


_VISIBLE: Final = "visible ASCII characters without spaces"
_URL: Final = "an http:// or https:// URL"
_secret = partial(FieldType, is_secret=True)

SECONDS: Final = FieldType('seconds, as a number or like "90s", "10m", "24h", "7d"', parse_seconds)
ZONE: Final = FieldType(
    'a zone of the time zone database like "Asia/Kolkata"',
    _checked(_is_zone, reason="{!r} is not in it"),
)

BIND: Final = FieldType(
    '"host:port" or "unix:/path"',
    _checked(lambda text: re.fullmatch(r"unix:[!-~]+", text) or parse_address(text)),
)
OPTIONAL_BIND: Final = FieldType('"host:port"', _checked(parse_address), is_optional=True)
WEB_URL: Final = FieldType(_URL, lambda text: parse_web_url(text).rstrip("/"))
BASE_URL: Final = FieldType(_URL, lambda text: parse_web_url(text).rstrip("/") + "/")
OPTIONAL_BASE_URL: Final = FieldType(
    _URL, lambda text: parse_web_url(text).rstrip("/") + "/", is_optional=True
)
EVENT_URL: Final = FieldType(_URL, parse_web_url, is_optional=True)
ORIGIN: Final = FieldType('an origin like "https://app.example.com"', parse_origin)
REDIS_URL: Final = _secret(
    "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL",
    _parse_redis_url,
    is_url=True,
)
PROXY_URL: Final = _secret(
    "http://[user:password@]host:port", _checked(_is_proxy_url), is_url=True, is_optional=True
)

BRIDGE: Final = FieldType(
    "text of 7 to 15 digits with the calling code, without +", pattern="[0-9]{7,15}"
)
Bridges = Annotated[tuple[Annotated[str, BRIDGE], ...], Meta(max_length=20)]
"""Several caller lines of one client or provider."""
CALLER_ID: Final = FieldType("E.164 with +", pattern=r"\+[1-9][0-9]{6,14}", is_optional=True)
PREFIX: Final = FieldType("the beginning of an E.164 number, with +", pattern=r"\+[1-9][0-9]*")
REGION: Final = FieldType(
    "the ISO 3166 code, two letters, of a region with telephones",
    _checked(
        lambda text: text.upper() in phonenumbers.SUPPORTED_REGIONS, str.upper, "{!r} is none"
    ),
)
NUMBER_TYPE: Final = FieldType(
    "one of mobile, fixed_line_or_mobile, fixed_line; premium rate, shared cost, personal, "
    "pager, VoIP, satellite and other numbers are never called",
    pattern="mobile|fixed_line_or_mobile|fixed_line",
)
SPOKEN_NAME: Final = FieldType(
    "a name with letters of any script", _checked(clean_name, clean_name, "{!r} has none")
)
SPOKEN_BRAND: Final = FieldType(
    "a name of letters of any script, spaces, ' - and ., at most 40 characters; write digits and "
    "signs in words",
    _checked(lambda text: clean_name(text) == text),
    is_optional=True,
)
CURRENCY: Final = FieldType("an ISO 4217 code of three letters", pattern="[A-Z]{3}")

SECRET: Final = _secret(_VISIBLE, pattern="[!-~]+")
OPTIONAL_SECRET: Final = _secret(_VISIBLE, pattern="[!-~]*", is_optional=True)
PATH_TOKEN: Final = _secret("letters, digits, - . _ and ~", pattern="[A-Za-z0-9._~-]+")
KEY_HASH: Final = FieldType(
    "the SHA-256 of a key, 64 hex digits", str.lower, "[0-9A-Fa-f]{64}", is_hash=True
)
EVENT_SECRET: Final = _secret(
    f'"{WHSEC_PREFIX}<base64 of 24 to 64 bytes>"',
    lambda text: decode_base64(text.removeprefix(WHSEC_PREFIX), _REST, 24, 64) and text,
    f"{WHSEC_PREFIX}.*",
)
# Supabase's secrets contain a comma: v1,whsec_<base64>. Other texts keep what may look like it.
HOOK_SECRET: Final = _secret(
    _VISIBLE,
    lambda text: text.removeprefix("v1,") if text.startswith(f"v1,{WHSEC_PREFIX}") else text,
    "[!-~]+",
    separator=r"(?<!^v1)(?<![\s,]v1),|\n",
)
KEY: Final = _secret("base64 of exactly 32 bytes", parse_key)
NAMED_KEY: Final = _secret('"<id>:<base64 of exactly 32 bytes>"', parse_ring_key)

LANGUAGE: Final = FieldType(
    "named by a language tag (BCP 47) or default",
    _checked(is_language_tag, str.lower, "{!r} is neither"),
)
_FLOW: Final = FieldType(
    'the id of a flow as text, or { id = "25", text = "…", gate = true }', lambda text: {"id": text}
)
_FLOWS: Final = FieldType(
    'a table like { default = "24", hi = "25" }, or text like default=24,hi=25',
    required_key=DEFAULT_FLOW,
)
Flows = Annotated[Mapping[Annotated[str, LANGUAGE], Annotated[Flow, _FLOW]], _FLOWS]

_WORD: Final = FieldType(
    "a word of 1 to 40 printable characters; case, spaces, - and _ make no difference",
    _checked(_is_status_word, normalize_status_word),
)
_STATUS: Final = FieldType(f"one of {', '.join(CALL_RESULTS)}", pattern="|".join(CALL_RESULTS))
_WORDS: Final = FieldType(
    'a table like { "OUT OF ZONE" = "failed" }, or text like OUT OF ZONE=failed'
)
StatusWords = Annotated[Mapping[Annotated[str, _WORD], Annotated[CallStatus, _STATUS]], _WORDS]

_TEST_NUMBER: Final = FieldType("a number in E.164", _checked(_is_test_number))
_CODE: Final = FieldType("a code of 4 to 10 digits, as text", pattern=CODE_PATTERN.pattern)
_TEST_NUMBERS: Final = _secret(
    'a table like "+919999900001" = "123456", or text like +919999900001=123456'
)
TestNumbers = Annotated[Mapping[Annotated[str, _TEST_NUMBER], Annotated[str, _CODE]], _TEST_NUMBERS]
