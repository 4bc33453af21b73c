"""The pattern mask: finds codes, secrets and whole phone numbers in free text.

Lines of our own are made of declared fields (:mod:`otpvoice.logs.fields`). This mask is for text
whose form is not ours: what libraries log, words of the provider, texts of exceptions. It knows the
shapes of secrets, and the very secrets of this process. In doubt it masks: a text may lose a
harmless figure, and never shows a code.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from otpvoice.core.phone import mask_number

_MIN_SECRET_LENGTH: Final = 6
"""Characters: a shorter secret would tear every line apart, and keeps nobody out."""
_MAX_TEXT_LENGTH: Final = 8192
"""Characters: a longer text is not looked through."""
_MAX_CACHED_LENGTH: Final = 64
"""Characters: what a mask found in so short a text it remembers, for most come again."""
_MAX_DECODINGS: Final = 3
_UNICODE_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_TO_STANDARD_BASE64: Final = str.maketrans("-_", "+/", "=")
"""From URL-safe base64, and from any with padding."""

_SAFE: Final = r"""
      (?P<kept>
          (?<!\w) (?:vrf|call) _ [0-9a-f]{32} (?!\w)
        | (?<!\w) (?=\d*[a-f]) [0-9a-f]{32} (?!\w)
        | (?<![\w-]) (?=[\d-]*[a-fA-F])
          [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} - [0-9a-fA-F]{12} (?![\w-])
        | \+ (?:[1-9][0-9])? \*{3,9} [0-9]{4} (?! [\W_]{0,4}\d )
        | \.py : [0-9]{1,5} (?!\d)
      )"""
# A code as it is, or spelled as for the voice: digits of any script, with a little between them.
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
"""Where this finds nothing, ``_FOUND`` has nothing to withhold; it is quicker."""
_FOUR_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3}")
_CREDENTIAL_WORDS: Final = ("ovk_", "ova_", "vct_", "eyj", "bearer", "authorization")
"""``_SUSPECT`` in two parts, which are quicker still; in lower case."""


class Redactor:
    """Masks free text: what libraries log, and the few fields that hold words of other systems.

    Numbers become ``+91******3210``; everything else that is masked leaves a word in brackets that
    says what it was.

    Args:
        secrets: each is masked as it is, and in base64, hex and quoted. Of a key the base64.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: of two that overlap, the whole of the longer one is masked.
        forms = {
            form
            for secret in secrets
            for form in _encodings(secret)
            if len(form) >= _MIN_SECRET_LENGTH
        }
        self._encoded_secrets = sorted(forms, key=len, reverse=True)
        self._exact = frozenset(forms)
        self._shortest = min(map(len, forms), default=_MAX_TEXT_LENGTH + 1)
        # Most short texts come again and again.
        self._redact_cached = lru_cache(maxsize=1024)(self._redact)
        self.contains_secret = lru_cache(maxsize=1024)(self._contains_secret)

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret masked, in printable characters."""
        return self._redact_cached(text) if len(text) <= _MAX_CACHED_LENGTH else self._redact(text)

    def is_secret(self, text: str) -> bool:
        """Report whether ``text`` is exactly a form of a secret."""
        return text in self._exact

    def _redact(self, text: str) -> str:
        if len(text) > _MAX_TEXT_LENGTH:
            return f"[{len(text)} characters]"
        text = self._without_secrets(text)
        decoded = _decode(text)
        masked = self._without_codes(decoded)
        if masked == decoded:  # no encoding hid anything
            masked = self._without_codes(text)
        return masked if masked.isprintable() else repr(masked)[1:-1]

    def _without_codes(self, text: str) -> str:
        text = self._without_secrets(text)
        return _SENSITIVE.sub(_replacement, text) if _may_be_sensitive(text) else text

    def _contains_secret(self, text: str) -> bool:
        return self._without_secrets(text) != text

    def _without_secrets(self, text: str) -> str:
        if len(text) >= self._shortest:
            for form in self._encoded_secrets:
                if form in text:
                    text = text.replace(form, "[secret]")
        return text


def _decode(text: str) -> str:
    """Undo percent-encoding, also of what was encoded twice, and JSON's escapes."""
    for _ in range(_MAX_DECODINGS):
        if "%" in text:
            text = unquote(text)
    if "\\u" in text:
        text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return text


def _may_be_sensitive(text: str) -> bool:
    """Whether ``_FOUND`` might find something. Most that is told is ASCII, and nothing is in it."""
    if not text.isascii():  # where a letter has other cases than lower() knows
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
    """How a secret may come to be written. Of base64 without its padding, so that both match."""
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
