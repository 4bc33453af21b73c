"""Resources of Twilio Verify v2, as the SDKs parse them.

Dates have exactly the form ``%Y-%m-%dT%H:%M:%SZ``: any other one stays text in the SDKs. SIDs are
the ids of the service with Twilio's prefixes.
"""

import re
from typing import Any, Final, Literal, NamedTuple, Self

from msgspec import Struct

from otpvoice.api.twilio_verify.payments import format_amount
from otpvoice.core.errors import NotFound
from otpvoice.core.service import Result
from otpvoice.core.verification import Call, Status, Verification, format_utc

_SID: Final = re.compile(r"VE([0-9a-f]{32})", re.ASCII)


class Owner(NamedTuple):
    """The SIDs that the caller uses for its account and its service. They have no effect."""

    account_sid: str | None
    service_sid: str | None


def parse_sid(sid: str) -> str:
    """Return the id of the verification that a SID (``VE…``) names.

    Raises:
        NotFound: no verification has such a SID.
    """
    match = _SID.fullmatch(sid)
    if not match:
        raise NotFound
    return f"vrf_{match[1]}"


def verification_sid(verification: Verification) -> str:
    """Return the SID of a verification."""
    return verification.id.replace("vrf_", "VE", 1)


class SentCode(Struct, frozen=True, kw_only=True):
    """One call, in a verification's ``send_code_attempts``."""

    time: str
    channel: Literal["CALL"] = "CALL"
    attempt_sid: str


class VerificationResource(Struct, frozen=True, kw_only=True):
    """https://www.twilio.com/docs/verify/api/verification#verification-response-properties."""

    sid: str
    service_sid: str | None
    account_sid: str | None
    to: str
    channel: Literal["call"] = "call"
    status: str
    valid: bool
    lookup: dict[str, Any] = {}
    amount: str | None
    payee: str | None
    send_code_attempts: list[SentCode]
    sna: None = None
    date_created: str
    date_updated: str
    url: str

    @classmethod
    def of(cls, result: Result, owner: Owner, base_url: str) -> Self:
        """Return the resource of a verification; ``base_url`` ends with ``/v2``."""
        verification = result.verification
        sid = verification_sid(verification)
        return cls(
            sid=sid,
            service_sid=owner.service_sid,
            account_sid=owner.account_sid,
            to=result.number,
            status=verification.status,
            valid=verification.status is Status.APPROVED,
            amount=format_amount(verification.transaction),
            payee=verification.transaction.payee if verification.transaction else None,
            send_code_attempts=[
                SentCode(time=format_utc(called_at(call)), attempt_sid=attempt_sid(call))
                for call in verification.calls
            ],
            date_created=format_utc(verification.created_at),
            date_updated=format_utc(updated_at(verification)),
            url=f"{base_url}/Services/{owner.service_sid}/Verifications/{sid}",
        )


class CheckResource(Struct, frozen=True, kw_only=True):
    """https://www.twilio.com/docs/verify/api/verification-check#verificationcheck-properties."""

    sid: str
    service_sid: str | None
    account_sid: str | None
    to: str
    channel: Literal["call"] = "call"
    status: Literal["approved", "pending"]
    valid: bool
    amount: str | None
    payee: str | None
    sna_attempts_error_codes: list[Any] = []
    date_created: str
    date_updated: str

    @classmethod
    def of(cls, verification: Verification, number: str, owner: Owner, *, valid: bool) -> Self:
        """Return the resource of a checked code.

        The status is ``pending`` after the last permitted wrong code too, as at Twilio, which
        refuses the next check.
        """
        return cls(
            sid=verification_sid(verification),
            service_sid=owner.service_sid,
            account_sid=owner.account_sid,
            to=number,
            status="approved" if valid else "pending",
            valid=valid,
            amount=format_amount(verification.transaction),
            payee=verification.transaction.payee if verification.transaction else None,
            date_created=format_utc(verification.created_at),
            date_updated=format_utc(updated_at(verification)),
        )


def attempt_sid(call: Call) -> str:
    """Return the SID of a call."""
    return call.id.replace("call_", "VL", 1)


def called_at(call: Call) -> int:
    """Return when a call was sent; of a queued call, when it is due."""
    return call.sent_at or call.due_at


def updated_at(verification: Verification) -> int:
    """Return the time of the last change that a verification and its calls have a time of."""
    moments = [verification.created_at, verification.ended_at]
    for call in verification.calls:
        moments += [call.sent_at, call.placed_at, call.ended_at]
    return max(moment for moment in moments if moment is not None)
