"""Attempts of Twilio Verify: the calls of one verification, and their summary.

The store finds a verification by its id or by its number. It has no list of all calls of a client,
so a request must name one of them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, Self

from msgspec import Struct

from otpvoice.api.twilio_verify.parameters import Parameters
from otpvoice.api.twilio_verify.resources import Owner, attempt_sid, called_at, verification_sid
from otpvoice.core.errors import InvalidRequest
from otpvoice.core.phone import parse_number
from otpvoice.core.service import Result
from otpvoice.core.verification import Call, Status, format_utc

Conversion = Literal["converted", "unconverted"]
"""Whether the call led to the approval of its verification."""


class Attempt(Struct, frozen=True, kw_only=True):
    """https://www.twilio.com/docs/verify/api/list-verification-attempts."""

    sid: str
    account_sid: str | None
    service_sid: str | None
    verification_sid: str
    date_created: str
    date_updated: str
    conversion_status: Conversion
    channel: Literal["call"] = "call"
    price: None = None
    channel_data: dict[str, Any]
    url: str


class AttemptPage(Struct, frozen=True, kw_only=True):
    """A page with all attempts: a verification has few."""

    attempts: list[Attempt]
    meta: dict[str, Any]

    @classmethod
    def of(cls, attempts: list[Attempt], url: str) -> Self:
        """Return the page."""
        meta = {
            "key": "attempts",
            "page": 0,
            "page_size": max(50, len(attempts)),
            "first_page_url": url,
            "previous_page_url": None,
            "next_page_url": None,
            "url": url,
        }
        return cls(attempts=attempts, meta=meta)


class Summary(Struct, frozen=True, kw_only=True):
    """https://www.twilio.com/docs/verify/api/verification-attempts-summary."""

    total_attempts: int
    total_converted: int
    total_unconverted: int
    conversion_rate_percentage: str
    url: str

    @classmethod
    def of(cls, attempts: list[Attempt], url: str) -> Self:
        """Return the summary of attempts."""
        total = len(attempts)
        converted = sum(each.conversion_status == "converted" for each in attempts)
        return cls(
            total_attempts=total,
            total_converted=converted,
            total_unconverted=total - converted,
            conversion_rate_percentage=f"{100 * converted / total if total else 0:.2f}",
            url=url,
        )


class AttemptFilter:
    """The filters of a query, except those that name the verification.

    Raises:
        InvalidRequest: a filter has no valid value.
    """

    def __init__(self, query: Parameters) -> None:
        self._channel = query.get("Channel")
        self._country = query.get("Country")
        self._status = query.get("Status")
        self._after = _parse_date(query, "DateCreatedAfter")
        self._before = _parse_date(query, "DateCreatedBefore")

    def select(self, found: Result, owner: Owner, base_url: str) -> Iterator[Attempt]:
        """Yield the attempts of a verification that pass, the oldest first."""
        verification = found.verification
        country = parse_number(found.number).region
        sent = [call for call in verification.calls if call.sent_at is not None]
        converted = sent[-1] if sent and verification.status is Status.APPROVED else None
        for call in verification.calls:
            status: Conversion = "converted" if call is converted else "unconverted"
            if self._passes(call, status, country):
                sid = attempt_sid(call)
                yield Attempt(
                    sid=sid,
                    account_sid=owner.account_sid,
                    service_sid=owner.service_sid,
                    verification_sid=verification_sid(verification),
                    date_created=format_utc(called_at(call)),
                    date_updated=format_utc(call.ended_at or call.placed_at or called_at(call)),
                    conversion_status=status,
                    channel_data={
                        "to": found.number,
                        "country": country,
                        "call_status": call.status,
                    },
                    url=f"{base_url}/Attempts/{sid}",
                )

    def _passes(self, call: Call, status: str, country: str) -> bool:
        at = called_at(call)
        return (
            self._channel in {None, "call"}
            and self._country in {None, country}
            and self._status in {None, status}
            and (self._after is None or at >= self._after)
            and (self._before is None or at <= self._before)
        )


def _parse_date(query: Parameters, name: str) -> int | None:
    """Return a date and time (ISO 8601) in milliseconds since 1970. Without offset it is UTC."""
    text = query.get(name)
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        moment = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except ValueError as error:
        detail = "must be a date and time such as 2026-01-01T00:00:00Z"
        raise InvalidRequest.for_field(f"/{name}", detail) from error
