"""Redaction: which fields a log line keeps, and the removal of secrets from free text.

``RecordFilter`` reduces lines of otpvoice to declared fields (:mod:`otpvoice.logs.events`).
``Redactor`` is for text of other systems: log records of libraries, words of the provider, texts of
exceptions. It knows the patterns of secrets and the secrets of this process. When in doubt it
redacts: a text may lose a harmless number, but never shows a code.
"""

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote, unquote

from structlog.typing import EventDict

from otpvoice.core.phone import mask_number
from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS, FIELDS
from otpvoice.logs.field_types import REDACTED, FieldType

_MIN_SECRET_LENGTH: Final = 6
"""Characters. Redacting a shorter secret would make every line unreadable."""
_MAX_TEXT_LENGTH: Final = 8192
"""Characters. A longer text is replaced as a whole."""
_MAX_CACHED_LENGTH: Final = 64
"""Characters. Results for texts up to this length are cached, because most of them recur."""
_MAX_DECODINGS: Final = 3
_UNICODE_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_TO_STANDARD_BASE64: Final = str.maketrans("-_", "+/", "=")
"""Translates URL-safe base64, with or without padding."""

_SAFE: Final = r"""
      (?P<kept>
          (?<!\w) (?:vrf|call) _ [0-9a-f]{32} (?!\w)
        | (?<!\w) (?=\d*[a-f]) [0-9a-f]{32} (?!\w)
        | (?<![\w-]) (?=[\d-]*[a-fA-F])
          [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} - [0-9a-fA-F]{12} (?![\w-])
        | \+ (?:[1-9][0-9])? \*{3,9} [0-9]{4} (?! [\W_]{0,4}\d )
        | \.py : [0-9]{1,5} (?!\d)
      )"""
# A code, also one spelled for the voice: digits of any script, up to four characters apart.
_SPELLED_CODE: Final = r"(?P<digits> \d (?: [\W_]{0,4}\d ){3,} )"
_SENSITIVE: Final = re.compile(
    rf"""{_SAFE}
    | (?P<authorization> (?i:authorization) ["'\]]{{0,2}} \s* [:=,] .* )
    | (?P<credential> (?i:bearer) (?:[\s:=+]|%20)+ [^\s"'<>]+ )
    | (?P<api_key> ov[ak]_ [^\s"'<>]* )
    | (?P<client_token> vct_ [^\s"'<>]* )
    | (?P<jwt> eyJ [\w-]{{4,}} (?: \.[\w-]* )* )
    | (?P<number> \+ [1-9][0-9]{{6,14}} (?! [\W_]{{0,4}}\d ) )
    | {_SPELLED_CODE}
    """,
    re.VERBOSE | re.DOTALL,
)
_MAYBE_SENSITIVE: Final = re.compile(
    r"\d(?:[\W_]{0,4}\d){3} | ov[ak]_ | vct_ | eyJ | (?i:bearer|authorization)", re.VERBOSE
)
"""A faster pre-check: a text without a match has no match of ``_SENSITIVE`` to redact either."""
_FOUR_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3}")
_CREDENTIAL_WORDS: Final = ("ovk_", "ova_", "vct_", "eyj", "bearer", "authorization")
"""With ``_FOUR_DIGITS``, a still faster pre-check of ASCII text in lower case."""


class Redactor:
    """Removes codes, credentials, secrets and whole phone numbers from free text.

    A number becomes ``+91******3210``. Anything else that is removed leaves a word in brackets that
    names its kind.

    Args:
        secrets: each is redacted as it is, and in base64, hex, URL and JSON encoding. A secret that
            is base64 is also redacted by its bytes.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        encoded = {
            form
            for secret in secrets
            for form in _encodings(secret)
            if len(form) >= _MIN_SECRET_LENGTH
        }
        # The longest first: of two that overlap, the whole of the longer one is redacted.
        self._encoded_secrets = sorted(encoded, key=len, reverse=True)
        self._exact = frozenset(encoded)
        self._shortest = min(map(len, encoded), default=_MAX_TEXT_LENGTH + 1)
        self._redact_cached = lru_cache(maxsize=1024)(self._redact)
        self.contains_secret = lru_cache(maxsize=1024)(self._contains_secret)

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret redacted, in printable characters."""
        return self._redact_cached(text) if len(text) <= _MAX_CACHED_LENGTH else self._redact(text)

    def is_secret(self, text: str) -> bool:
        """Report whether ``text`` is exactly one encoding of a secret."""
        return text in self._exact

    def _redact(self, text: str) -> str:
        if len(text) > _MAX_TEXT_LENGTH:
            return f"[{len(text)} characters]"
        text = self._without_secrets(text)
        decoded = _decode(text)
        redacted = self._without_patterns(decoded)
        if redacted == decoded:  # no encoding hid anything
            redacted = self._without_patterns(text)
        return redacted if redacted.isprintable() else repr(redacted)[1:-1]

    def _without_patterns(self, text: str) -> str:
        text = self._without_secrets(text)
        return _SENSITIVE.sub(_replacement, text) if _may_be_sensitive(text) else text

    def _contains_secret(self, text: str) -> bool:
        return self._without_secrets(text) != text

    def _without_secrets(self, text: str) -> str:
        if len(text) >= self._shortest:
            for secret in self._encoded_secrets:
                if secret in text:
                    text = text.replace(secret, "[secret]")
        return text


class ForeignText(str):
    """Text that a library logged, which the filter redacts."""

    __slots__ = ()


_Renderers = Mapping[str, Callable[[Any], Any]]


class RecordFilter(Redactor):
    """A structlog processor after which nothing secret is in the event.

    A line of otpvoice keeps its declared fields, each rendered by its type. Every other field and
    every value that does not fit becomes ``[redacted]``. The result holds only JSON's types.

    Args:
        secrets: values of the settings that no line may hold, in any encoding.
        clients: names that may stand in the field ``client``.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        super().__init__(secrets)
        self.clients = frozenset(clients)
        self._common = self._renderers([*COMMON_FIELDS, *EXCEPTION_FIELDS])
        self._foreign = {**self._common, **self._renderers(["logger"])}
        self._own = {
            name: {**self._common, **self._renderers(event.field_names)}
            for name, event in EVENTS.items()
        }

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be written."""
        name = event.pop("event", "")
        if type(name) is ForeignText:
            renderers: _Renderers = self._foreign
            line: dict[str, Any] = {"event": self.redact(str.__str__(name))}
        else:
            declared = self._own.get(name) if isinstance(name, str) else None
            renderers = self._common if declared is None else declared
            line = {"event": name if declared is not None else self._redact_key(name)}
        for field, value in event.items():
            render = renderers.get(field)
            if render is None:
                line[self._redact_key(field)] = REDACTED
                continue
            try:
                line[field] = None if value is None else render(value)
            except Exception:  # noqa: BLE001 - a value that cannot be read loses only itself
                line[field] = REDACTED
        return line

    def _renderers(self, fields: Iterable[str]) -> _Renderers:
        return {field: self._renderer(FIELDS[field]) for field in fields}

    def _renderer(self, field_type: FieldType) -> Callable[[Any], Any]:
        render = partial(field_type.render, self)
        return lru_cache(maxsize=256, typed=True)(render) if field_type.is_cacheable else render

    def _redact_key(self, key: object) -> str:
        """Return the name of an undeclared event or field, which may be anything."""
        return self.redact(str.__str__(key)) if isinstance(key, str) else REDACTED


def _decode(text: str) -> str:
    """Undo percent-encoding, also of what was encoded twice, and JSON's escapes."""
    for _ in range(_MAX_DECODINGS):
        if "%" in text:
            text = unquote(text)
    if "\\u" in text:
        text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return text


def _may_be_sensitive(text: str) -> bool:
    """Report whether ``_SENSITIVE`` may match. Most texts are ASCII and match nothing."""
    if not text.isascii():  # lower() does not map every letter to ASCII
        return bool(_MAYBE_SENSITIVE.search(text))
    lower = text.lower()
    return any(map(lower.__contains__, _CREDENTIAL_WORDS)) or bool(_FOUR_DIGITS.search(text))


def _replacement(match: re.Match[str]) -> str:
    kind = str(match.lastgroup)
    if kind == "kept":
        return match[0]
    if kind == "number":
        return mask_number(match[0])
    if kind == "digits":
        return f"[{sum(map(str.isdigit, match[0]))} digits]"
    return f"[{kind.replace('_', ' ')}]"


def _encodings(secret: str) -> Iterator[str]:
    """Yield the ways to write a secret; base64 without padding, so that both forms match."""
    yield from (secret, secret.rstrip("="), quote(secret, safe=""), json.dumps(secret)[1:-1])
    yield from _byte_encodings(secret.encode())
    try:
        key = base64.b64decode(secret.translate(_TO_STANDARD_BASE64) + "==", validate=True)
    except ValueError:
        return
    yield from _byte_encodings(key)


def _byte_encodings(raw: bytes) -> Iterator[str]:
    yield raw.hex()
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
