"""``provider.status_words``: words of the provider that the table of the adapter does not have."""

from typing import Final, NamedTuple

from otpvoice.core.status_words import normalize_status_word
from otpvoice.core.verification import CallStatus
from otpvoice.settings.parsers import parse_pairs

_RESULTS: Final = (
    CallStatus.ANSWERED,
    CallStatus.BUSY,
    CallStatus.NO_ANSWER,
    CallStatus.FAILED,
)
_MAX_WORD_LENGTH: Final = 40
"""Characters of a word, as in the record of a call."""


class ParsedStatusWords(NamedTuple):
    """What was given."""

    words: dict[str, CallStatus]
    errors: dict[str, str]
    """Word → what is wrong with it."""


def parse_status_words(given: object) -> ParsedStatusWords:
    """Parse a table, or text like ``OUT OF ZONE=failed,ABC=busy``, or JSON.

    Raises:
        ValueError: it is none of these.
    """
    words: dict[str, CallStatus] = {}
    faults: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for word, status in parse_pairs(given).items():
        first = spellings.setdefault(normalize_status_word(word), word)
        if fault := _error(word, status, first):
            faults[word] = fault
        else:
            words[word] = CallStatus(str(status))
    return ParsedStatusWords(words, faults)


def _error(word: str, status: object, first: str) -> str | None:
    if not 0 < len(normalize_status_word(word)) <= _MAX_WORD_LENGTH or not word.isprintable():
        return f"is not a word of 1 to {_MAX_WORD_LENGTH} printable characters"
    if status not in _RESULTS:
        return f"must be one of {', '.join(_RESULTS)}"
    if first != word:
        return f"is {first!r} again: case, spaces, - and _ make no difference"
    return None
