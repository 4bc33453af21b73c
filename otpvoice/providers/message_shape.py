"""The shape of a message, fit to be shown: who is called, and the code, are not in it.

Names of members are kept. Of values only vendor's words, times and small figures are, in members
that are known to hold such; of the rest it is told what kind of value it is.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from otpvoice.providers.callback_body import decode_body

_SAFE_MEMBERS: Final = frozenset(
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
_SAFE_VALUE: Final = re.compile(
    r"""
      [A-Za-z][A-Za-z_ -]{0,29} [0-9]? [A-Za-z]?
    | [0-9]{1,3} (?: \.[0-9]{1,6} )?
    | [0-9]{1,2}:[0-9]{2}:[0-9]{2}
    | [0-9]{4}-[0-9]{2}-[0-9]{2} [T ] [0-9]{2}:[0-9]{2}:[0-9]{2} (?: \.[0-9]{1,9} )? Z?
    """,
    re.VERBOSE,
)
_SAFE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_\[\] -]{0,38}[0-9]?\]?")
_MAX_DEPTH: Final = 4
_MAX_LINES: Final = 60
"""Members that are shown."""
_MAX_LOGGED_LINES: Final = 20

_Describe = Callable[[str, object], str]
"""Member's path, value → what is shown of it."""


def describe_values(body: bytes) -> list[str]:
    """One line for each member, as in ``data[0].mobile: text of 12 digits``."""
    return _describe_body(body, _describe_value, _MAX_LINES)


def describe_types(body: bytes) -> list[str]:
    """Return one line for each member with the type of its value, and never a value.

    At most 20 lines, for the log.
    """
    return _describe_body(body, lambda _, value: type_name(value), _MAX_LOGGED_LINES)


def safe_name(name: str) -> str:
    """Return the name if it may be shown, or else what kind of text it is."""
    return name if _SAFE_NAME.fullmatch(name) else f"[{type_name(name)}]"


def _describe_body(body: bytes, describe: _Describe, max_lines: int) -> list[str]:
    if not body:
        return ["no body"]
    try:
        value = _decode(body)
    except ValueError:
        return [f"neither JSON nor a form, {len(body)} bytes"]
    lines = [*_lines("", value, _MAX_DEPTH, describe)]
    return lines if len(lines) <= max_lines else [*lines[:max_lines], "and more"]


def type_name(value: object) -> str:
    """What kind of value it is, without the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    sign, digits = ("a + and ", text[1:]) if text.startswith("+") else ("", text)
    if digits.isascii() and digits.isdigit():
        size = f"{sign}{len(digits)} digits"
    else:
        size = f"{len(text)} characters" if text else "nothing"
    return f"{'text' if isinstance(value, str) else 'number'} of {size}"


def _decode(body: bytes) -> Any:
    """With the types that it was written with, as far as it is written well."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return decode_body(body)


def _lines(path: str, value: Any, depth: int, describe: _Describe) -> Iterator[str]:
    if isinstance(value, dict) and value and depth:
        for name, member in value.items():
            shown = safe_name(name)
            yield from _lines(f"{path}.{shown}" if path else shown, member, depth - 1, describe)
    elif isinstance(value, list) and value and depth:
        yield from _lines(f"{path}[0]", value[0], depth - 1, describe)
        if len(value) > 1:
            yield f"{path}: {len(value)} members in all"
    elif isinstance(value, dict | list):
        container = "an object" if isinstance(value, dict) else "a list"
        yield f"{path or 'the body'}: {container} of {len(value)}"
    else:
        yield f"{path or 'the body'}: {describe(path, value)}"


def _describe_value(path: str, value: object) -> str:
    name = path.rpartition(".")[2]
    described = type_name(value)
    if (
        name in _SAFE_MEMBERS
        and isinstance(value, str | int | float)
        and _SAFE_VALUE.fullmatch(str(value))
    ):
        return f"{described.partition(' ')[0]} {value}"
    return described
