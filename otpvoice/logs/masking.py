"""What a line of the log may hold: no code, no secret, no whole phone number, wherever it stands.

Nobody has to remember to mask: every line passes a :class:`Mask`, whoever wrote it. It knows the
shapes of what is never told, and the very secrets of this process. In doubt it withholds: a line
may lose a harmless figure, and never shows a code.
"""

import base64
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from structlog.typing import EventDict

from otpvoice.core.phone import mask_number

_SHORTEST: Final = 6
"""Characters: a shorter secret would tear every line apart, and keeps nobody out."""
_LONGEST: Final = 8192
"""Characters: a longer text is not looked through."""
_SHORT: Final = 64
"""Characters: what a mask found in so short a text it remembers, for most come again."""
_DEEPEST: Final = 5
"""Levels of nesting that are looked into."""
_STANDARD: Final = str.maketrans("-_", "+/", "=")
"""From URL-safe base64, and from any with padding."""

_UNTOLD: Final = frozenset({"code", "otp", "spoken", "name", "body", "authorization", "cookie"})
_UNTOLD_ENDS: Final = ("token", "secret", "password", "api_key", "validation_key", "number_key")
"""Names, and ends of names, whose values are never told, whatever they look like."""

_KEPT: Final = r"""
      (?P<kept>
          (?<!\w) (?:vrf|call) _ [0-9a-f]{32} (?!\w)
        | (?<!\w) (?=\d*[a-f]) [0-9a-f]{32} (?!\w)
        | (?<![\w-]) (?=[\d-]*[a-fA-F])
          [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} - [0-9a-fA-F]{12} (?![\w-])
        | \+ (?:[1-9][0-9])? \*{3,9} [0-9]{4} (?! [\W_]{0,4}\d )
        | \.py : [0-9]{1,5} (?!\d)
      )"""
# A code as it is, or spelled as for the voice: digits of any script, with a little between them.
_SPELLED: Final = r"(?P<digits> \d (?: [\W_]{0,4}\d ){3,} )"
_FOUND: Final = re.compile(
    rf"""{_KEPT}
    | (?P<authorization> (?i:authorization) ["'\]]{{0,2}} \s* [:=,] .* )
    | (?P<credential> (?i:bearer) (?:[\s:=+]|%20)+ [^\s"'<>]+ )
    | (?P<api_key> ovk_ [^\s"'<>]* )
    | (?P<client_token> vct_ [^\s"'<>]* )
    | (?P<jwt> eyJ [\w-]{{4,}} (?: \.[\w-]* )* )
    | (?P<number> \+ [1-9][0-9]{{6,14}} (?! [\W_]{{0,4}}\d ) )
    | {_SPELLED}
    """,
    re.VERBOSE | re.DOTALL,
)
_DIGITS: Final = re.compile(f"{_KEPT} | {_SPELLED}", re.VERBOSE)
_SUSPECT: Final = re.compile(
    r"\d(?:[\W_]{0,4}\d){3} | ovk_ | vct_ | eyJ | (?i:bearer|authorization)", re.VERBOSE
)
"""Where this finds nothing, ``_FOUND`` has nothing to withhold; it is quicker."""
_FOUR_DIGITS: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3}")
_SUSPECT_WORDS: Final = ("ovk_", "vct_", "eyj", "bearer", "authorization")
"""``_SUSPECT`` in two parts, which are quicker still; in lower case."""
_PLACE: Final = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
_OURS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        # These four would be kept below as well, after a longer search.
        "verification": re.compile(r"vrf_[0-9a-f]{32}"),
        "call": re.compile(r"call_[0-9a-f]{32}"),
        "request_id": re.compile(r"(?=\d*[a-f])[0-9a-f]{32}"),
        "to": re.compile(r"\+([1-9][0-9])?\*{3,9}[0-9]{4}"),
        "happened_at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        # Host and port, or the path of a socket, from the settings.
        "address": re.compile(rf"/[!-~]+|{_PLACE}(,{_PLACE})*"),
        # An area is a number without its last six digits: it tells an operator, and no person.
        "breaker": re.compile(
            r"[a-z_]+( area \+[0-9]{1,9}| region [A-Z0-9]{2,7}| client [a-z0-9-]+)?"
        ),
    }
)
"""Fields whose values may look like codes, and what they look like when we made them."""
_COUNTS: Final = frozenset({"failed", "failures"})
"""Fields whose values are counts, which may have as many digits as a code."""
_JUDGED: Final = frozenset({"ms", "client", *_COUNTS, *_OURS})


class Mask:
    """A structlog processor after which nothing secret is in the event.

    Numbers become ``+91******3210``; all else that is withheld leaves a word in brackets that says
    what it was. Everything comes out as JSON's own types.

    Args:
        secrets: each is withheld as it is, and in base64, hex and quoted. Of a key the base64.
        clients: names that may stand in the field ``client``, whatever digits they hold.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        # The longest first: of two that overlap, the whole of the longer one is withheld.
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)
        self._shortest = min(map(len, forms), default=_LONGEST + 1)
        self._clients = frozenset(clients)
        # Names of fields and events, routes, and what all lines of one request repeat.
        self._short = lru_cache(maxsize=1024)(self.text)

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """The event as it may be told."""
        return {self._told_name(name): self._field(name, value) for name, value in event.items()}

    def text(self, text: str) -> str:
        """``text`` with everything withheld that is never told."""
        if len(text) > _LONGEST:
            return f"[{len(text)} characters]"
        text = self._without_secrets(text)
        if _is_suspect(text):
            text = _FOUND.sub(_instead, text)
        return text if text.isprintable() else repr(text)[1:-1]

    def _field(self, name: object, value: Any) -> Any:
        try:
            if name in _JUDGED and self._is_ours(name, value):
                return value
            return self._value(name, value, _DEEPEST)
        except Exception:  # noqa: BLE001 - whatever it was, it is not told, and the line is written
            return "[unreadable]"

    def _is_ours(self, name: object, value: object) -> bool:
        """Whether it is made by us and harmless, though it may have as many digits as a code."""
        if name == "ms":
            return type(value) is float and math.isfinite(value)
        if name in _COUNTS:
            return type(value) is int
        if name == "client":
            return isinstance(value, str) and value in self._clients
        if not isinstance(name, str) or not isinstance(value, str):
            return False
        return bool(_OURS[name].fullmatch(value)) and self._without_secrets(value) == value

    def _without_secrets(self, text: str) -> str:
        if len(text) >= self._shortest:
            for form in self._forms:
                if form in text:
                    text = text.replace(form, "[secret]")
        return text

    def _value(self, name: object, value: Any, deeper: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if _is_untold(name):
            return "[withheld]"
        if isinstance(value, str):
            return self._short(str(value)) if len(value) <= _SHORT else self.text(str(value))
        if isinstance(value, int | float):
            return self._figure(value)
        return self._nested(name, value, deeper)

    def _figure(self, value: float) -> int | float | str:
        written = repr(value if isinstance(value, float) else int(value))
        told = self._short(written)
        return value if told == written and math.isfinite(value) else told

    def _nested(self, name: object, value: Any, deeper: int) -> Any:
        told: Any
        if deeper == 0:
            return "[too deep]"
        if isinstance(value, Mapping):
            told = {self._told_name(n): self._value(n, v, deeper - 1) for n, v in value.items()}
        elif isinstance(value, list | tuple | set | frozenset):
            told = [self._value(name, each, deeper - 1) for each in value]
        else:
            return f"[{type(value).__name__}]"
        return f"[{len(told)} members]" if _spells_code(told) else told

    def _told_name(self, name: object) -> str:
        return self._short(name) if isinstance(name, str) else f"[{type(name).__name__}]"


def _is_suspect(text: str) -> bool:
    """Whether ``_FOUND`` might find something. Most that is told is ASCII, and nothing is in it."""
    if not text.isascii():  # where a letter has other cases than lower() knows
        return bool(_SUSPECT.search(text))
    lower = text.lower()
    return any(map(lower.__contains__, _SUSPECT_WORDS)) or bool(_FOUR_DIGITS.search(text))


@lru_cache(maxsize=512)
def _is_untold(name: object) -> bool:
    known = str(name).lower().replace("-", "_")
    return known in _UNTOLD or known.endswith(_UNTOLD_ENDS)


def _spells_code(members: Any) -> bool:
    """One digit in each, for example."""
    together = json.dumps(members, ensure_ascii=False)
    return any(found.lastgroup == "digits" for found in _DIGITS.finditer(together))


def _instead(found: re.Match[str]) -> str:
    kind = str(found.lastgroup)
    if kind == "kept":
        return found[0]
    if kind == "number":
        return mask_number(found[0])
    if kind == "digits":
        return f"[{sum(map(str.isdigit, found[0]))} digits]"
    return f"[{kind.replace('_', ' ')}]"


def _forms(secret: str) -> Iterator[str]:
    """How a secret may come to be written. Of base64 without its padding, so that both match."""
    yield from (secret, secret.rstrip("="), quote(secret, safe=""), json.dumps(secret)[1:-1])
    yield from _forms_of_bytes(secret.encode())
    try:
        key = base64.b64decode(secret.translate(_STANDARD) + "==", validate=True)
    except ValueError:
        return
    yield from _forms_of_bytes(key)


def _forms_of_bytes(raw: bytes) -> Iterator[str]:
    yield raw.hex()
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
