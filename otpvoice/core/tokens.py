"""Client tokens: with what an app asks about its one verification, in place of an API key.

A token stands for itself: nothing of it is stored, so none can be taken back, and each ends soon
after its verification. It is ``vct_`` and, in base64url without padding (RFC 4648, section 5):

    1 byte      format, 1
    4 bytes     end, in seconds since 1970
    16 bytes    the verification's id
    1 to 64     the client's name
    16 bytes    MAC of all of that

Nothing in it is secret; the MAC is what nobody else can make.
"""

import base64
import math
from dataclasses import dataclass
from struct import Struct
from typing import Final

from otpvoice.core.errors import TokenExpired, TokenInvalid
from otpvoice.core.keys import MAC_BYTES, KeyRing

PREFIX: Final = "vct_"
"""How every client token begins, and no API key."""
GRACE_S: Final = 600
"""Seconds that a token is good for beyond its code: the app learns how it ended."""

_FORMAT: Final = 1
_HEAD: Final = Struct(">BI16s")


@dataclass(frozen=True, slots=True)
class ClientToken:
    """What a token opens."""

    client: str
    verification_id: str
    expires_at: int
    """Seconds since 1970: the first second in which it opens nothing."""


class ClientTokens:
    """Makes and reads client tokens. ``ring``: the first key signs, all are known."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def issue(self, client: str, verification_id: str, expires_at: int) -> str:
        """The token of a verification whose code ends at ``expires_at`` (ms since 1970)."""
        ends_at = math.ceil(expires_at / 1000) + GRACE_S
        number = bytes.fromhex(verification_id.removeprefix("vrf_"))
        told = _HEAD.pack(_FORMAT, ends_at, number) + client.encode()
        return PREFIX + _encode(told + self._ring.token_mac(told))

    def verify(self, token: str, now: float) -> ClientToken:
        """What ``token`` opens at ``now`` (seconds since 1970).

        Raises:
            TokenInvalid: none of ours, or changed on its way.
            TokenExpired: ours, and its time is over.
        """
        raw = _decode(token.removeprefix(PREFIX)) if token.startswith(PREFIX) else b""
        told, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not self._ring.is_token_mac(told, mac) or told[0] != _FORMAT:
            raise TokenInvalid("This client token is not known.")
        _, ends_at, number = _HEAD.unpack_from(told)
        if now >= ends_at:
            raise TokenExpired("The client token has expired, and its verification with it.")
        return ClientToken(told[_HEAD.size :].decode(), f"vrf_{number.hex()}", ends_at)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Empty for what :func:`_encode` never wrote: each token has one spelling only."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return raw if _encode(raw) == text else b""
