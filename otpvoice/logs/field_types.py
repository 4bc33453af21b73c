"""The types of log fields. A value that does not fit the type of its field is redacted.

Types make leaks impossible by construction: no code, whole phone number, key or token fits a type
that is written unchanged. Only ``TEXT`` and its variants take free text, and they redact it
(:mod:`otpvoice.logs.redaction`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.core.keys import LogId
from otpvoice.logs.redaction import Redactor

REDACTED: Final = "[redacted]"
"""Replaces every value that does not fit the type of its field."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type of values.

    Args:
        description: the form of its values, for the documentation.
        render: returns the JSON value to write for a redactor and a value, or ``REDACTED``.
        is_cacheable: its values recur, so rendered values may be cached.
    """

    description: str
    render: Callable[[Redactor, Any], Any]
    is_cacheable: bool = False


def _pattern(description: str, pattern: str, *, is_cacheable: bool = False) -> FieldType:
    """Return a type of text of a fixed form.

    If it takes few values, they are cached, and one with a secret anywhere in it is redacted.
    Otherwise one that ends in a secret of 32 characters, or is a shorter one, is redacted.
    """
    matches = re.compile(pattern, re.ASCII).fullmatch

    def render(redactor: Redactor, value: Any) -> Any:
        if isinstance(value, str) and matches(value):
            text = str.__str__(value)  # the characters, whatever a subclass claims to be
            if is_cacheable:
                return REDACTED if redactor.contains_secret(text) else text
            if text[-32:] not in redactor.encoded_secrets:
                return text
        return REDACTED

    return FieldType(description, render, is_cacheable)


def _choice(description: str, pattern: str) -> FieldType:
    return _pattern(description, pattern, is_cacheable=True)


def _integer(description: str, minimum: int, maximum: int, *, is_exact: bool = True) -> FieldType:
    """Return a type of integers within bounds; neither a boolean nor text fits."""

    def render(_redactor: Redactor, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return int(value) if is_exact else _rounded(int(value))
        return REDACTED

    return FieldType(description, render)


def one_of(first: FieldType, second: FieldType) -> FieldType:
    """Return a type of values that fit the first type, or else the second."""

    def render(redactor: Redactor, value: Any) -> Any:
        rendered = first.render(redactor, value)
        return second.render(redactor, value) if rendered == REDACTED else rendered

    return FieldType(f"{first.description}; or {second.description}", render, first.is_cacheable)


def _rounded(number: int) -> int:
    """Keep two significant digits from 1000 on: precise enough, and too few to show a code."""
    return number if number < 1000 else round(number, 2 - len(str(number)))


def _seconds(_redactor: Redactor, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        return REDACTED
    if isinstance(value, float) and not value.is_integer():
        return round(value, 2) if value < 1000 else _rounded(round(value))
    return int(value) if value % 60 == 0 else _rounded(int(value))


def _milliseconds(redactor: Redactor, value: Any) -> Any:
    if type(value) is float and 0 <= value < 1e6 and not (value.is_integer() and value >= 1000):
        return round(value, 1)
    return COUNT.render(redactor, int(value) if isinstance(value, float) else value)


def _method(_redactor: Redactor, value: Any) -> Any:
    """Render a known method; a client can send any token as a method."""
    if isinstance(value, str):
        return str.__str__(value) if value in _HTTP_METHODS else "_OTHER"
    return REDACTED


def _boolean(_redactor: Redactor, value: Any) -> Any:
    return value if isinstance(value, bool) else REDACTED


def _text(redactor: Redactor, value: Any) -> Any:
    return redactor.redact(str.__str__(value)) if isinstance(value, str) else REDACTED


def _client(redactor: Redactor, value: Any) -> Any:
    if isinstance(value, str) and value in redactor.clients:
        return str.__str__(value)
    return _text(redactor, value)


def _log_id(redactor: Redactor, value: Any) -> Any:
    if type(value) is LogId and len(value) == 8 and value.isalpha() and value.isascii():
        return REDACTED if value in redactor.encoded_secrets else str.__str__(value)
    return REDACTED


def _frames(_redactor: Redactor, value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(frame, str) for frame in value):
        return [frame if _is_frame(frame) else REDACTED for frame in value]
    return REDACTED


def _texts(redactor: Redactor, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_text(redactor, each) for each in value]
    return REDACTED


def _text_or(exact: FieldType, description: str) -> FieldType:
    return one_of(exact, FieldType(description, _text))


_HTTP_METHODS: Final = frozenset(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
)
_SPARSE_DIGITS: Final = r"(?!.*[0-9].{0,4}[0-9])"
"""No two digits within five characters, as the digits of a code would be."""
_NO_CREDENTIAL: Final = r"(?!ov[ak]_|vct_)"
"""No API key, admin key or client token."""
_is_frame = re.compile(r"(?:[\w.<>+-]{1,80}/)?[\w.<> -]{1,80}:[0-9]{1,5} [\w.<>]{1,80}").fullmatch
_IP: Final = r"\[?[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f:.]{1,20}\]?|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_HOST: Final = rf"(?:{_IP}|(?=[^:]*[A-Za-z])[A-Za-z0-9._-]{{1,253}})"
_LISTENER: Final = rf"(?:(?:https?://)?{_HOST}:[0-9]{{1,5}}|(?:unix:)?/[\w./-]{{1,107}})"
_MASKED_NUMBER: Final = r"\+([1-9][0-9])?\*{3,9}[0-9]{4}"

VERIFICATION_ID: Final = _pattern("`vrf_` and 32 hex digits", "vrf_[0-9a-f]{32}")
CALL_ID: Final = _pattern("`call_` and 32 hex digits", "call_[0-9a-f]{32}")
DIALER_ID: Final = _pattern("32 hex digits", "[0-9a-f]{32}")
TEXT: Final = FieldType("text, redacted", _text)
TEXTS: Final = FieldType("a list of texts, redacted", _texts)
REPLY: Final = _choice("the first word of an error reply", r"[A-Za-z]{1,24}")
PROVIDER_TEXT: Final = FieldType("the provider's text, redacted", _text)
REQUEST_ID: Final = _text_or(
    _pattern("32 hex digits", r"(?=\d*[a-f])[0-9a-f]{32}"),
    "the caller's own `Request-Id`, redacted",
)
TRACE_ID: Final = _pattern("32 hex digits", r"(?=\d*[a-f])[0-9a-f]{32}")
MASKED_NUMBER: Final = _pattern("as in `+91******3210`", _MASKED_NUMBER)
LOG_ID: Final = FieldType("eight letters that stand for a number (`limits explain`)", _log_id)
CLIENT: Final = FieldType("a client's name in the settings", _client, is_cacheable=True)
WORD: Final = _choice(
    "a word in lower case", rf"{_NO_CREDENTIAL}[a-z]{{1,30}}(?:[._][a-z]{{1,30}}){{0,5}}"
)
BOOLEAN: Final = FieldType("`true` or `false`", _boolean)
COUNT: Final = _integer("an integer; from 1000 on rounded to two digits", 0, 10**9, is_exact=False)
EXACT_COUNT: Final = _integer("an integer", 0, 10**12)
SECONDS: Final = FieldType(
    "seconds; from 1000 on whole minutes, or rounded to two digits", _seconds
)
MILLISECONDS: Final = FieldType("milliseconds", _milliseconds)
HTTP_STATUS: Final = _integer("100 to 599", 100, 599)
METHOD: Final = FieldType("a method of RFC 9110 or 5789, else `_OTHER`", _method, is_cacheable=True)
ROUTE: Final = _choice(
    "a route's name", rf"{_NO_CREDENTIAL}{_SPARSE_DIGITS}[a-z][a-z0-9_-]{{0,31}}"
)
PATH_RULE: Final = _choice(
    "a URL rule, never the path", rf"-|{_SPARSE_DIGITS}/[A-Za-z0-9_<>:/.-]{{0,120}}"
)
CLASS_NAME: Final = _choice("a class's name", r"(?!\w*\d{4})[A-Za-z_]\w{0,79}")
LOGGER: Final = _choice("a logger's name", r"(?!.*\d{4})[A-Za-z_][\w.]{0,99}")
FRAMES: Final = FieldType("a list, as in `flask/app.py:917 dispatch_request`", _frames)
TIMESTAMP: Final = _pattern("as in `2026-01-01T00:00:00Z`", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PID: Final = _integer("a process id", 1, 2**22)
EXIT_CODE: Final = _integer("an exit status", -255, 255)
SIGNAL: Final = _choice("a signal's name", r"(?:SIG)?[A-Za-z]{2,10}[0-9+-]{0,3}")
VERSION: Final = _choice(
    "a release", r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,2}(?:\.?[a-z]{1,4}[0-9]{0,2})?"
)
ADDRESS: Final = _choice(
    "an address that a server listens on, or several", rf"{_LISTENER}(?:,{_LISTENER}){{0,9}}"
)
BREAKER: Final = _choice(
    "a breaker and its scope",
    # An area is a number without its last six digits: it identifies no person.
    r"[a-z_]+(?: area \+[0-9]{1,9}| region [A-Z0-9]{2,7}| client [a-z0-9-]+)?",
)
OPERATOR: Final = _text_or(
    _choice("a login name", r"uid [0-9]{1,10}"), "`console: ` and a name, redacted"
)
RECORD: Final = _text_or(
    _pattern("the key of a record", r"(?:call:call_|verification:vrf_)[0-9a-f]{32}"),
    "a key, redacted",
)
SEARCH_TERM: Final = _text_or(
    one_of(_pattern("a masked number", _MASKED_NUMBER), VERIFICATION_ID), "`a reference`"
)
