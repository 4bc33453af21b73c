"""Redaction: the removal of codes, secrets and whole phone numbers from text.

It is for text of other systems: log records of libraries, words of the provider, texts of
exceptions. Lines of otpvoice consist of typed fields instead (:mod:`otpvoice.logs.events`). When in
doubt the redactor redacts: a text may lose a harmless number, but never shows a code.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from otpvoice.core.keys import mask_number

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
      (?P<safe>
          (?<!\w) (?:vrf|call) _ [0-9a-f]{32} (?!\w)
        | (?<!\w) (?=\d*[a-f]) [0-9a-f]{32} (?!\w)
        | (?<![\w-]) (?=[\d-]*[a-fA-F])
          [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} - [0-9a-fA-F]{12} (?![\w-])
        | \+ (?:[1-9][0-9])? \*{3,9} [0-9]{4} (?! [\W_]{0,4}\d )
        | \.py : [0-9]{1,5} (?!\d)
      )"""
"""Ids, masked numbers and places in code, which stay readable."""
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


class Redactor:
    """Removes codes, credentials, secrets and whole phone numbers from free text.

    A number becomes ``+91******3210``. Anything else that is removed leaves a word in brackets that
    names its kind.

    Args:
        secrets: each is redacted as it is, and in base64, hex, URL and JSON encoding. A secret that
            is base64 is also redacted by its bytes.
        clients: names of clients, which are not secret.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        self.clients = frozenset(clients)
        encoded = {
            form
            for secret in secrets
            for form in _encodings(secret)
            if len(form) >= _MIN_SECRET_LENGTH
        }
        # The longest first: of two that overlap, the whole of the longer one is redacted.
        self._longest_first = sorted(encoded, key=len, reverse=True)
        self.encoded_secrets = frozenset(encoded)
        self._shortest = min(map(len, encoded), default=_MAX_TEXT_LENGTH + 1)
        self._redact_cached = lru_cache(maxsize=1024)(self._redact)
        self.contains_secret = lru_cache(maxsize=1024)(self._contains_secret)

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret redacted, in printable characters."""
        return self._redact_cached(text) if len(text) <= _MAX_CACHED_LENGTH else self._redact(text)

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
        return _SENSITIVE.sub(_replacement, text) if _MAYBE_SENSITIVE.search(text) else text

    def _contains_secret(self, text: str) -> bool:
        return self._without_secrets(text) != text

    def _without_secrets(self, text: str) -> str:
        if len(text) >= self._shortest:
            for secret in self._longest_first:
                if secret in text:
                    text = text.replace(secret, "[secret]")
        return text


_WITHOUT_SECRETS: Final = Redactor()


def is_kept_whole(text: str) -> bool:
    """Return whether the log shows a text as it is: nothing in it looks like a code or a key."""
    return _WITHOUT_SECRETS.redact(text) == text


def _decode(text: str) -> str:
    """Undo percent-encoding, also of what was encoded twice, and JSON's escapes."""
    for _ in range(_MAX_DECODINGS):
        if "%" in text:
            text = unquote(text)
    if "\\u" in text:
        text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return text


def _replacement(match: re.Match[str]) -> str:
    kind = str(match.lastgroup)
    if kind == "safe":
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
