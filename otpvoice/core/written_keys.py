"""Keys as the settings write them: base64, the keys of the key ring with their ids."""

import base64
import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of the key ring."""

    id: str
    key: bytes = field(repr=False)
    """32 bytes."""


def parse_key(text: str) -> bytes:
    """Decode 32 bytes of standard or URL-safe base64, with or without padding.

    Raises:
        ValueError: gives the reason and never repeats the text.
    """
    standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    return decode_base64(standard + "=" * (-len(standard) % 4), "it", 32, 32)


def parse_ring_key(text: str) -> RingKey:
    """Parse ``<id>:<base64>``. Raises as :func:`parse_key`."""
    key_id, colon, key = text.partition(":")
    if not colon or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", key_id):
        raise ValueError("the id before the colon has 1 to 32 of a-z, 0-9, _ and -")
    return RingKey(id=key_id, key=parse_key(key))


def decode_base64(text: str, subject: str, least: int, most: int) -> bytes:
    """Decode between ``least`` and ``most`` bytes. Raises as :func:`parse_key`."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"{subject} is not base64") from None
    if not least <= len(key) <= most:
        raise ValueError(f"it decodes to {len(key)} bytes")
    return key
