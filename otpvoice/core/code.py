"""Codes: made once per verification, strings all their life (leading zeros count)."""

import re
from typing import Final

import pyotp

CODE_SHAPE: Final = re.compile(r"[0-9]{4,10}", re.ASCII)
"""A code of ours or of a caller."""

_UNIFORM_DIGITS: Final = 6
"""RFC 4226 truncates to 31 bits: up to six digits the remainder's bias is below 0.05 %, at eight
2 %, and at ten the first digit is never above 2. Longer codes are put together from two counters.
"""


def generate_code(length: int) -> str:
    """A fresh code of ``length`` digits (4–10): HOTP (RFC 4226) of a random 160-bit secret."""
    secret = pyotp.random_base32(32)
    if length <= _UNIFORM_DIGITS:
        return pyotp.HOTP(secret, digits=length).at(0)
    first = length // 2
    return pyotp.HOTP(secret, digits=first).at(0) + pyotp.HOTP(secret, digits=length - first).at(1)
