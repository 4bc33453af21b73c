"""Verifications as the service makes them, without the HTTP before them."""

import secrets
from typing import Final

from stack import RING

from otpvoice.core.keys import NumberHasher, encrypt_number, encrypt_speech
from otpvoice.core.store_port import LimitKeys, NewCall, NewVerification
from otpvoice.core.verification import Route

CODE: Final = "123456"
CLIENT: Final = "benchmark"
_BRIDGE: Final = "918068280000"
_NUMBER_KEY: Final = NumberHasher(b"n" * 32)
_PREFIXES: Final = 250_000
"""Numbers are spread over so many beginnings: up to there each has its own, which costs most, and
a million keep to the limit of each."""
_DAY: Final = 86_400_000


def new_verification(n: int, call_after: int) -> NewVerification:
    """Of the ``n``-th person, with a name and a reference of usual length; it lives for a day.

    ``call_after``: milliseconds.
    """
    to, own_id = f"+91{9_000_000_000 + n}", f"vrf_{secrets.token_hex(16)}"
    number, reference = _NUMBER_KEY.hash(to), f"login-{own_id[4:34]}"
    return NewVerification(
        id=own_id,
        client=CLIENT,
        number_hash=number,
        encrypted_number=encrypt_number(RING, own_id, to),
        encrypted_speech=encrypt_speech(RING, own_id, CODE, "Asha Raghunathan"),
        code_digest=RING.digests("check", own_id, CODE)[0],
        request_digests=RING.digests("create", CLIENT, number, CODE),
        own_code=False,
        reference=reference,
        route=Route.OBD,
        locale="default",
        code_length=len(CODE),
        max_checks=5,
        call_after_ms=call_after,
        ttl_ms=_DAY,
        retention_ms=7 * _DAY,
        queue_margin_ms=60_000,
        call=NewCall(f"call_{secrets.token_hex(16)}", None, None, _BRIDGE, f"+{_BRIDGE}"),
        limit_keys=LimitKeys(
            prefix_hash=_NUMBER_KEY.hash_attribute("prefix", str(n % _PREFIXES)),
            area=f"+9190{n % 10_000:04}",
            region="IN",
            address_hash=None,
            reference_hash=_NUMBER_KEY.hash_attribute("reference", reference),
        ),
    )
