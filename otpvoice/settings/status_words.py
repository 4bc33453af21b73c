"""``provider.status_words``: words of the provider that the table of the adapter does not have."""

from typing import Final, NamedTuple

from otpvoice.core.status_words import normalize_status_word
from otpvoice.core.verification import CallStatus
from otpvoice.settings.parsers import read_pairs

_RESULTS: Final = (
    CallStatus.ANSWERED,
    CallStatus.BUSY,
    CallStatus.NO_ANSWER,
    CallStatus.FAILED,
)
_LONGEST: Final = 40
"""Characters of a word, as in the record of a call."""


class ParsedStatusWords(NamedTuple):
    """What was given."""

    words: dict[str, CallStatus]
    faults: dict[str, str]
    """Word → what is wrong with it."""


def parse_status_words(given: object) -> ParsedStatusWords:
    """Parse a table, or text like ``OUT OF ZONE=failed,ABC=busy``, or JSON.

    Raises:
        ValueError: it is none of these.
    """
    words: dict[str, CallStatus] = {}
    faults: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for word, status in read_pairs(given).items():
        first = spellings.setdefault(normalize_status_word(word), word)
        if fault := _fault(word, status, first):
            faults[word] = fault
        else:
            words[word] = CallStatus(str(status))
    return ParsedStatusWords(words, faults)


def _fault(word: str, status: object, first: str) -> str | None:
    if not 0 < len(normalize_status_word(word)) <= _LONGEST or not word.isprintable():
        return f"is not a word of 1 to {_LONGEST} printable characters"
    if status not in _RESULTS:
        return f"must be one of {', '.join(_RESULTS)}"
    if first != word:
        return f"is {first!r} again: case, spaces, - and _ make no difference"
    return None
