"""Verifications as the service makes them, without the HTTP before them."""

import secrets
from typing import Final

from stack import RING

from otpvoice.core.keys import NumberKey
from otpvoice.core.service import seal_number, seal_speech
from otpvoice.core.store_port import NewCall, NewVerification, Shares
from otpvoice.core.verification import Route

CODE: Final = "123456"
CLIENT: Final = "benchmark"
_BRIDGE: Final = "918068280000"
_NAMES: Final = NumberKey(b"n" * 32)
_PREFIXES: Final = 250_000
"""Numbers are spread over so many beginnings: up to there each has its own, which costs most, and
a million keep to the limit of each."""
_DAY: Final = 86_400_000


def verification(n: int, call_after: int) -> NewVerification:
    """Of the ``n``-th person, with a name and a reference of usual length; it lives for a day.

    ``call_after``: milliseconds.
    """
    to, own_id = f"+91{9_000_000_000 + n}", f"vrf_{secrets.token_hex(16)}"
    number, reference = _NAMES.name(to), f"login-{own_id[4:34]}"
    return NewVerification(
        id=own_id,
        client=CLIENT,
        number=number,
        sealed_number=seal_number(RING, own_id, to),
        sealed_speech=seal_speech(RING, own_id, CODE, "Asha Raghunathan"),
        digest=RING.digests("check", own_id, CODE)[0],
        request_digests=RING.digests("create", CLIENT, number, CODE),
        own_code=False,
        reference=reference,
        route=Route.OBD,
        locale="default",
        code_length=len(CODE),
        max_checks=5,
        call_after=call_after,
        ttl=_DAY,
        keep=7 * _DAY,
        queue_margin=60_000,
        call=NewCall(f"call_{secrets.token_hex(16)}", None, None, _BRIDGE, f"+{_BRIDGE}"),
        shares=Shares(
            prefix=_NAMES.shared("prefix", str(n % _PREFIXES)),
            area=f"+9190{n % 10_000:04}",
            region="IN",
            ip=None,
            reference=_NAMES.shared("reference", reference),
        ),
    )
