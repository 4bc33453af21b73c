"""Codes: made once per verification, strings all their life (leading zeros count)."""

import math
import re
import secrets
from typing import Final

import pyotp

CODE_PATTERN: Final = re.compile(r"[0-9]{4,10}", re.ASCII)
"""A code of ours or of a caller."""

_SECRET_BYTES: Final = 20
"""160 bits (RFC 4226, section 4, R6)."""
_DIGITS: Final = 6
"""Of one HOTP value. RFC 4226 truncates to 31 bits: up to six digits the bias of the remainder is
below 0.05 %, at eight it is 2 %, and of ten the first is never above 2.
"""


def generate_code(length: int) -> str:
    """A fresh code of ``length`` digits (4–10): HOTP (RFC 4226) of a random 160-bit secret.

    Longer ones take digits of the next counter, so that every digit is as likely as any other.
    """
    hotp = Hotp(secrets.token_bytes(_SECRET_BYTES))
    return "".join(hotp.at(n) for n in range(math.ceil(length / _DIGITS)))[:length]


class Hotp(pyotp.HOTP):
    """Of bytes. Base32, which is for people who type a secret in, takes longer than all else."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        super().__init__("", digits=_DIGITS)

    def byte_secret(self) -> bytes:
        """What the library would read out of its Base32."""
        return self._secret
