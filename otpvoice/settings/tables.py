"""Parse settings that are tables: flows, status words and test numbers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import mask_number, parse_number
from otpvoice.core.speech import CODE_PATTERN, DEFAULT_FLOW, Flow, is_language_tag
from otpvoice.core.verification import CALL_RESULTS, CallStatus, normalize_status_word

_MAX_WORD_LENGTH: Final = 40
"""Characters of a status word, as in the record of a call."""


class ParsedTable(NamedTuple):
    """A table's entries, and what is wrong with which key."""

    entries: Mapping[str, Any]
    errors: list[tuple[str, str]]
    """Key and detail."""


def parse_pairs(value: object) -> dict[str, object]:
    """Parse a table, text like ``default=24,hi=25``, or JSON.

    Raises:
        ValueError: the value is none of these.
    """
    if not isinstance(value, str):
        return msgspec.convert(value, dict[str, object])
    if value.lstrip().startswith("{"):
        return msgspec.json.decode(value, type=dict[str, object])
    pairs = [pair.partition("=") for pair in re.split(r"[,\n]", value) if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("a pair has no =")
    return {name.strip(): text.strip() for name, _, text in pairs}


def parse_flows(table: Mapping[str, object]) -> ParsedTable:
    """Parse flows: an id, or ``{ id = "25", text = "…" }``, for each language tag."""
    flows: dict[str, Flow] = {}
    errors: list[tuple[str, str]] = []
    for tag, flow in table.items():
        key = tag.lower()
        if not is_language_tag(tag):
            errors.append((tag, "is neither a language tag (BCP 47) nor default"))
        elif key in flows:
            errors.append((tag, "is given twice: case makes no difference"))
        try:
            flows[key] = msgspec.convert({"id": flow} if isinstance(flow, str) else flow, Flow)
        except msgspec.ValidationError as error:
            wanted = 'the id of a flow as text, or { id = "25", text = "…" }'
            errors.append((tag, f"must be {wanted}: {error}"))
    if DEFAULT_FLOW not in map(str.lower, table):
        errors.append((DEFAULT_FLOW, "is missing: it speaks when no language fits"))
    return ParsedTable(flows, errors)


def parse_status_words(table: Mapping[str, object]) -> ParsedTable:
    """Parse the words in which a provider reports the end of a call, each with its result."""
    words: dict[str, CallStatus] = {}
    errors: list[tuple[str, str]] = []
    spellings: dict[str, str] = {}
    for word, status in table.items():
        normalized = normalize_status_word(word)
        first = spellings.setdefault(normalized, word)
        if not 0 < len(normalized) <= _MAX_WORD_LENGTH or not word.isprintable():
            errors.append((word, f"is not a word of 1 to {_MAX_WORD_LENGTH} printable characters"))
        elif status not in CALL_RESULTS:
            errors.append((word, f"must be one of {', '.join(CALL_RESULTS)}"))
        elif first != word:
            errors.append((word, f"is {first!r} again: case, spaces, - and _ make no difference"))
        else:
            words[word] = CallStatus(str(status))
    return ParsedTable(words, errors)


class _Hidden(dict[str, str]):
    """Test numbers. Anyone who has a number and its code can sign in, so no repr shows them."""

    def __repr__(self) -> str:
        return f"<{len(self)} test numbers>"


def parse_test_numbers(table: Mapping[str, object]) -> ParsedTable:
    """Parse numbers with their fixed codes. Errors mask the number and omit the code."""
    errors = [
        (mask_number(number) if number.startswith("+") else "***", detail)
        for number, code in table.items()
        for detail in _test_number_errors(number, code)
    ]
    return ParsedTable(_Hidden({number: str(code) for number, code in table.items()}), errors)


def _test_number_errors(number: str, code: object) -> Iterator[str]:
    try:
        if parse_number(number).e164 != number:
            yield "is another way to write a number: give it as E.164"
    except InvalidNumber as error:
        yield f"is not a number: {error}"
    if not isinstance(code, str) or not CODE_PATTERN.fullmatch(code):
        yield "must have a code of 4 to 10 digits, as text"
