"""The shape of a message, fit to be shown: who is called, and the code, are not in it.

Names of members are kept. Of values only vendor's words, times and small figures are, in members
that are known to hold such; of the rest it is told what kind of value it is.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from otpvoice.providers.mobtexting_callback import read_object

_SHOWN: Final = frozenset(
    {
        *(
            "status",
            "status1",
            "status2",
            "source",
            "service",
            "channel",
            "hangup_by",
            "hangup_cause",
        ),
        *("start_at", "end_at", "created_at", "submitted_at", "date", "duration", "billing"),
        *("charges", "credits", "billsec"),
    }
)
_HARMLESS: Final = re.compile(
    r"""
      [A-Za-z][A-Za-z_ -]{0,29} [0-9]? [A-Za-z]?
    | [0-9]{1,3} (?: \.[0-9]{1,6} )?
    | [0-9]{1,2}:[0-9]{2}:[0-9]{2}
    | [0-9]{4}-[0-9]{2}-[0-9]{2} [T ] [0-9]{2}:[0-9]{2}:[0-9]{2} (?: \.[0-9]{1,9} )? Z?
    """,
    re.VERBOSE,
)
_MEMBER: Final = re.compile(r"[A-Za-z_][A-Za-z_\[\] -]{0,38}[0-9]?\]?")
_DEEPEST: Final = 4
_MOST: Final = 60
"""Members that are shown."""


def outline(body: bytes) -> list[str]:
    """One line for each member, as in ``data[0].mobile: text of 12 digits``."""
    if not body:
        return ["no body"]
    try:
        value = _read(body)
    except ValueError:
        return [f"neither JSON nor a form, {len(body)} bytes"]
    lines = [*_lines("", value, _DEEPEST)]
    return lines if len(lines) <= _MOST else [*lines[:_MOST], "and more"]


def kind_of_value(value: object) -> str:
    """What kind of value it is, without the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    sign, digits = ("a + and ", text[1:]) if text.startswith("+") else ("", text)
    if digits.isascii() and digits.isdigit():
        told = f"{sign}{len(digits)} digits"
    else:
        told = f"{len(text)} characters" if text else "nothing"
    return f"{'text' if isinstance(value, str) else 'number'} of {told}"


def _read(body: bytes) -> Any:
    """With the types that it was written with, as far as it is written well."""
    if body.lstrip()[:1] in {b"{", b"["}:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return read_object(body)
    if b"=" not in body:
        raise ValueError
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _lines(path: str, value: Any, deeper: int) -> Iterator[str]:
    if isinstance(value, dict) and value and deeper:
        for name, member in value.items():
            told = name if _MEMBER.fullmatch(name) else f"[{kind_of_value(name)}]"
            yield from _lines(f"{path}.{told}" if path else told, member, deeper - 1)
    elif isinstance(value, list) and value and deeper:
        yield from _lines(f"{path}[0]", value[0], deeper - 1)
        if len(value) > 1:
            yield f"{path}: {len(value)} members in all"
    elif isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        yield f"{path or 'the body'}: {kind} of {len(value)}"
    else:
        yield f"{path or 'the body'}: {_told(path, value)}"


def _told(path: str, value: object) -> str:
    name = path.rpartition(".")[2]
    kind = kind_of_value(value)
    if name in _SHOWN and isinstance(value, str | int | float) and _HARMLESS.fullmatch(str(value)):
        return f"{kind.partition(' ')[0]} {value}"
    return kind
