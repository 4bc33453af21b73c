"""What holds a number, told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from otpvoice.cli.moments import format_time, format_utc
from otpvoice.cli.uses import HEADING, LimitStatus, limit_statuses
from otpvoice.core.limits import CALLS_PER_DAY, CallLimits
from otpvoice.store.admin import Explanation, NumberIdentity, Refusal


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """One number's limits as they stand."""

    masked_number: str
    log_id: str
    now_ms: int
    gap_until_ms: int | None
    """None when no gap holds it."""
    blocked_until_ms: int | None
    limits: tuple[LimitStatus, ...]
    """Of all limits that a call to it meets, the block and the breaker included."""
    refusals: tuple[Refusal, ...]
    has_address_limits: bool
    """Calls are counted by address too, which no number tells."""

    @property
    def own_limits(self) -> list[LimitStatus]:
        """Those of the number itself and of its beginning."""
        return [each for each in self.limits if each.limit != CALLS_PER_DAY and not each.client]

    @property
    def refusing(self) -> list[LimitStatus]:
        """Those that refuse: whoever asks before one client only, and the longest first."""
        full = [each for each in self.limits if each.until_ms]
        return sorted(full, key=lambda each: (each.client or "", -(each.until_ms or 0)))


def number_limits(
    explanation: Explanation, telephone: NumberIdentity, limits: CallLimits
) -> NumberLimits:
    """What the store explained, beside what the settings allow."""
    now = explanation.now
    return NumberLimits(
        masked_number=telephone.masked,
        log_id=telephone.log_id,
        now_ms=now,
        gap_until_ms=explanation.gap_until if explanation.gap_until > now else None,
        blocked_until_ms=explanation.blocked_until if explanation.blocked_until > now else None,
        limits=tuple(limit_statuses(explanation.limits, limits, now)),
        refusals=explanation.refusals,
        has_address_limits=bool(limits.calls_per_ip or limits.creates_per_ip),
    )


def render_headline(number: NumberLimits) -> str:
    """What holds it longest, in one line."""
    if number.refusing:
        longest = number.refusing[0]
        asked_by = f" to {longest.client}" if longest.client else ""
        until = format_time(longest.until_ms or 0, number.now_ms)
        return f"{number.masked_number} is refused{asked_by} by {longest.limit} until {until}."
    if number.gap_until_ms:
        return (
            f"{number.masked_number} is not refused; its next call waits for the end of call_gap."
        )
    return f"{number.masked_number} is not refused."


def render_log_id(number: NumberLimits) -> str:
    """How the service's log names it, to search by."""
    return f'The log names it "number": "{number.log_id}".'


def render_limits(number: NumberLimits) -> Iterator[str]:
    """Every line of the answer."""
    yield from (render_headline(number), render_log_id(number), "", HEADING)
    for each in number.limits:
        yield each.render(number.now_ms)
    gap = LimitStatus(None, "call_gap", None, None, number.gap_until_ms).render(number.now_ms)
    yield f"{gap}; a call waits for it" if number.gap_until_ms else gap
    if number.has_address_limits:
        yield "  calls_per_ip and creates_per_ip count by address: a number does not show them."
    yield ""
    yield from render_refusals(number)


def render_refusals(number: NumberLimits) -> Iterator[str]:
    """The newest refusals, a line each."""
    if not number.refusals:
        yield "Nothing was refused to it within a day."
        return
    yield "Refused to it, the newest first:"
    for each in number.refusals:
        time = format_time(each.at, number.now_ms)
        yield f"  {time}  {each.client}: {each.limit}  {_render_cause(each)}".rstrip()


def serialize_limits(number: NumberLimits) -> dict[str, Any]:
    """The same for machines."""
    return {
        "number": number.masked_number,
        "name_in_logs": number.log_id,
        "now": format_utc(number.now_ms),
        "held_by": [each.title for each in number.refusing],
        "blocked_until": format_utc(number.blocked_until_ms),
        "call_gap_until": format_utc(number.gap_until_ms),
        "limits": [each.serialize() for each in number.limits],
        "refusals": [
            {
                "at": format_utc(each.at),
                "client": each.client,
                "limit": each.limit,
                "reference_name": each.reference or None,
                "verification": each.verification or None,
            }
            for each in number.refusals
        ],
    }


def _render_cause(refusal: Refusal) -> str:
    if refusal.verification:
        return refusal.verification
    return f"a reference named {refusal.reference}" if refusal.reference else ""
