"""Compare the words in which providers report the end of a call."""

import re
from typing import Final

_IGNORED: Final = re.compile(r"[\s_-]+")


def normalize_status_word(word: str) -> str:
    """Return the form in which two spellings of a word are equal.

    Case, spaces, ``-`` and ``_`` make no difference: ``No Answer``, ``NO-ANSWER`` and ``no_answer``
    are all ``NOANSWER``.
    """
    return _IGNORED.sub("", word).upper()
