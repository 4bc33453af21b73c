"""What holds a number, told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from otpvoice.cli.moments import iso, when
from otpvoice.cli.uses import HEADING, Usage, usages
from otpvoice.core.allowances import CALLS_PER_DAY
from otpvoice.core.limits import CallLimits
from otpvoice.store.admin import Explanation, Refusal, Telephone


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """One number's limits as they stand."""

    masked: str
    name_in_logs: str
    now: int
    gap_until: int | None
    """None when no gap holds it."""
    blocked_until: int | None
    usages: tuple[Usage, ...]
    """Of all limits that a call to it meets, the block and the breaker included."""
    refusals: tuple[Refusal, ...]
    by_address: bool
    """Calls are counted by address too, which no number tells."""

    @property
    def own(self) -> list[Usage]:
        """Those of the number itself and of its beginning."""
        return [each for each in self.usages if each.limit != CALLS_PER_DAY and not each.client]

    @property
    def holding(self) -> list[Usage]:
        """Those that refuse: whoever asks before one client only, and the longest first."""
        full = [each for each in self.usages if each.until]
        return sorted(full, key=lambda each: (each.client or "", -(each.until or 0)))


def number_limits(
    explanation: Explanation, telephone: Telephone, limits: CallLimits
) -> NumberLimits:
    """What the store explained, beside what the settings allow."""
    now = explanation.now
    return NumberLimits(
        masked=telephone.masked,
        name_in_logs=telephone.log_id,
        now=now,
        gap_until=explanation.gap_until if explanation.gap_until > now else None,
        blocked_until=explanation.blocked_until if explanation.blocked_until > now else None,
        usages=tuple(usages(explanation.uses, limits, now)),
        refusals=explanation.refusals,
        by_address=bool(limits.calls_per_ip or limits.creates_per_ip),
    )


def headline(number: NumberLimits) -> str:
    """What holds it longest, in one line."""
    if number.holding:
        longest = number.holding[0]
        asked_by = f" to {longest.client}" if longest.client else ""
        until = when(longest.until or 0, number.now)
        return f"{number.masked} is refused{asked_by} by {longest.limit} until {until}."
    if number.gap_until:
        return f"{number.masked} is not refused; its next call waits for the end of call_gap."
    return f"{number.masked} is not refused."


def named_in_logs(number: NumberLimits) -> str:
    """How the service's log names it, to search by."""
    return f'The log names it "number": "{number.name_in_logs}".'


def explain(number: NumberLimits) -> Iterator[str]:
    """Every line of the answer."""
    yield from (headline(number), named_in_logs(number), "", HEADING)
    for each in number.usages:
        yield each.row(number.now)
    gap = Usage(None, "call_gap", None, None, number.gap_until).row(number.now)
    yield f"{gap}; a call waits for it" if number.gap_until else gap
    if number.by_address:
        yield "  calls_per_ip and creates_per_ip count by address: a number does not show them."
    yield ""
    yield from tell_refusals(number)


def tell_refusals(number: NumberLimits) -> Iterator[str]:
    """The newest refusals, a line each."""
    if not number.refusals:
        yield "Nothing was refused to it within a day."
        return
    yield "Refused to it, the newest first:"
    for each in number.refusals:
        yield f"  {when(each.at, number.now)}  {each.client}: {each.limit}  {_cause(each)}".rstrip()


def document(number: NumberLimits) -> dict[str, Any]:
    """The same for machines."""
    return {
        "number": number.masked,
        "name_in_logs": number.name_in_logs,
        "now": iso(number.now),
        "held_by": [each.title for each in number.holding],
        "blocked_until": iso(number.blocked_until),
        "call_gap_until": iso(number.gap_until),
        "limits": [each.document() for each in number.usages],
        "refusals": [
            {
                "at": iso(each.at),
                "client": each.client,
                "limit": each.limit,
                "reference_name": each.reference or None,
                "verification": each.verification or None,
            }
            for each in number.refusals
        ],
    }


def _cause(refusal: Refusal) -> str:
    if refusal.verification:
        return refusal.verification
    return f"a reference named {refusal.reference}" if refusal.reference else ""
