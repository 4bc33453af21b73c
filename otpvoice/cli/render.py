"""Output of operators' commands: lines of text with local times, and JSON documents.

Neither shows a code or a whole number.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from otpvoice.admin import DENIED, Alert, FoundVerification, ServiceStatus, describe_result
from otpvoice.core.limits import DAY_MS, DENIAL_BLOCK, LimitStatus, limits_of
from otpvoice.core.verification import Call, format_utc
from otpvoice.store.admin import NumberLimits

_UNITS: Final = (
    *((1_000, "s", 120), (60_000, "min", 120), (3_600_000, "h", 48)),
    (DAY_MS, "days", math.inf),
)
"""Milliseconds of a unit, its name, and the count from which the next unit is used."""
_VERIFICATION_TIMES: Final = ("created_at", "expires_at", "ended_at")
_CALL_MEMBERS: Final = (
    *("id", "status", "reason", "route", "locale", "due_at", "sent_at", "placed_at", "ended_at"),
    *("duration", "heard", "raw"),
)
_LIMITS_HEADING: Final = f"  {'limit':30} {'used':>12}  refuses until"


def format_clock(time_ms: int, now_ms: int) -> str:
    """Format a time as ``14:32:05``, with the date if it is not today's."""
    then, now = _local(time_ms), _local(now_ms)
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def format_time(time_ms: int, now_ms: int) -> str:
    """Format a time with its distance: ``14:32:05 (in 4 min)``."""
    distance_ms = abs(time_ms - now_ms)
    # Rounded up, because nothing ends before the time that is shown.
    counts = ((math.ceil(distance_ms / unit), name, limit) for unit, name, limit in _UNITS)
    distance = next(f"{count} {name}" for count, name, limit in counts if count < limit)
    relative = f"in {distance}" if time_ms > now_ms else f"{distance} ago"
    return f"{format_clock(time_ms, now_ms)} ({relative})"


def _local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone()


# The whole service -------------------------------------------------------------------------------


def render_status(status: ServiceStatus) -> Iterator[str]:
    """Render alerts with their remedies, then limits, then statistics."""
    now_ms = status.overview.now
    refusing = [each for each in status.alerts if each.refuses]
    yield "Refusing now:" if refusing else "Nothing is refused."
    yield from _render_alerts(refusing, now_ms)
    if warnings := [each for each in status.alerts if not each.refuses]:
        yield from ("", "Warnings:", *_render_alerts(warnings, now_ms))
    yield from ("", _LIMITS_HEADING)
    for limit in status.overview.limits:
        yield _render_limit(limit, now_ms)
    yield from ("", *_render_stats(status))


def _render_alerts(alerts: Iterable[Alert], now_ms: int) -> Iterator[str]:
    for alert in alerts:
        until = f" until {format_time(alert.until_ms, now_ms)}" if alert.until_ms else ""
        yield f"  {alert.title}{until}"
        yield from (f"    {text}" for text in (alert.meaning, alert.remedy) if text)


def _render_limit(limit: LimitStatus, now_ms: int) -> str:
    until = format_time(limit.until_ms, now_ms) if limit.until_ms else "-"
    return f"  {limit.title:30} {limit.count:>12}  {until}"


def _render_stats(status: ServiceStatus) -> Iterator[str]:
    overview, most = status.overview, status.max_live_calls
    refused = ", ".join(f"{limit} {count}" for limit, count in status.refused.items())
    full = ": further calls wait in the queue" if overview.live_calls >= most else ""
    yield f"  refused in the last hour   {refused or 'nothing'}"
    yield f"  live_calls                 {overview.live_calls}/{most}{full}"
    yield f"  queued calls               {overview.queued_calls}"
    yield f"  dialers                    {overview.dialers}"
    yield f"  closed routes              {', '.join(overview.closed_routes) or 'none'}"
    if overview.weak_lines:
        weak = ", ".join(f"+{line}" for line in overview.weak_lines)
        yield f"  weak caller lines          {weak}"


# One number --------------------------------------------------------------------------------------


def render_headline(number: NumberLimits) -> str:
    """Render the limit that refuses a number longest."""
    masked = number.identity.masked
    if number.refusing:
        longest = number.refusing[0]
        client = f" to {longest.client}" if longest.client else ""
        until = format_time(longest.until_ms, number.now_ms)
        why = DENIED if longest.limit == DENIAL_BLOCK else ""
        return f"{masked} is refused{client} by {longest.limit} until {until}{why}."
    if number.gap_until_ms:
        return f"{masked} is not refused; its next call waits for the end of call_gap."
    return f"{masked} is not refused."


def render_log_id(number: NumberLimits) -> str:
    """Render the number's log id, for searching the service's log."""
    return f'Its id in the log is "number": "{number.identity.log_id}".'


def render_limits(number: NumberLimits) -> Iterator[str]:
    """Render everything about a number's limits and refusals."""
    yield from (render_headline(number), render_log_id(number), "", _LIMITS_HEADING)
    for limit in number.limits:
        yield _render_limit(limit, number.now_ms)
    gap = LimitStatus(None, "call_gap", 0, None, number.gap_until_ms)
    note = "; the next call waits for it" if number.gap_until_ms else ""
    yield f"{_render_limit(gap, number.now_ms)}{note}"
    if number.declines:
        effect = "" if number.allows_redials else "; no redial follows until fewer are"
        yield f"  {number.declines} of its calls were declined (busy) within an hour{effect}"
    if number.has_address_limits:
        names = " and ".join(limits_of("address"))
        yield f"  {names} count by address, and are not shown for a number."
    yield from ("", *render_refusals(number))


def render_refusals(number: NumberLimits) -> Iterator[str]:
    """Render the newest refusals, one a line."""
    if not number.refusals:
        yield "No request for it was refused in the last day."
        return
    yield "Refused requests, the newest first:"
    for each in number.refusals:
        time = format_time(each.at, number.now_ms)
        reference = f"reference hash {each.reference}" if each.reference else ""
        subject = each.verification or reference
        yield f"  {time}  {each.client}: {each.limit}  {subject}".rstrip()


# One verification --------------------------------------------------------------------------------


def render_verification(found: FoundVerification) -> Iterator[str]:
    """Render a verification, and its calls below it."""
    it = found.verification
    created = format_time(it.created_at, it.now)
    end = f"{'expires' if it.ended_at is None else 'ended'} "
    end += format_time(it.ended_at or it.expires_at, it.now)
    yield f"{it.id}  {_render_state(it.status, it.reason)}"
    yield f"  {found.number_text}, client {it.client}, reference {it.reference or '-'}"
    yield f"  created {created}, {end}, checks left {it.checks_left}"
    for call in it.calls:
        yield f"  {call.id}  {_render_state(call.status, call.reason)}"
        yield f"    {', '.join(_call_details(call, it.now))}"


def _render_state(status: str, reason: str | None) -> str:
    return f"{status} ({reason})" if reason else status


def _call_details(call: Call, now_ms: int) -> Iterator[str]:
    yield f"{call.route} {call.locale}"
    for name in ("due", "sent", "placed", "ended"):
        if at := getattr(call, f"{name}_at"):
            yield f"{name} {format_clock(at, now_ms)}"
    yield from describe_result(call)


# JSON --------------------------------------------------------------------------------------------


def status_document(status: ServiceStatus) -> dict[str, Any]:
    """Return the document of ``otpvoice limits``."""
    overview = status.overview
    return {
        "now": format_utc(overview.now),
        "refuses": any(each.refuses for each in status.alerts),
        "unavailable": status.unavailable,
        "breakers": [
            {"name": each.title, "until": _utc(each.until_ms), "refuses": each.refuses}
            for each in status.breakers
        ],
        "limits": [_limit_document(each) for each in overview.limits],
        "refused_last_hour": overview.refused,
        "live_calls": {"used": overview.live_calls, "allowed": status.max_live_calls},
        "queued_calls": overview.queued_calls,
        "dialers": overview.dialers,
        "closed_routes": overview.closed_routes,
        "weak_lines": overview.weak_lines,
        "quarantined_records": overview.quarantine.quarantined,
        "undialable_calls": overview.quarantine.undialable,
    }


def number_document(number: NumberLimits) -> dict[str, Any]:
    """Return the document of ``otpvoice limits explain``."""
    return {
        "number": number.identity.masked,
        "name_in_logs": number.identity.log_id,
        "now": format_utc(number.now_ms),
        "held_by": [each.title for each in number.refusing],
        "blocked_until": _utc(number.blocked_until_ms),
        "blocked_by": number.blocked_by,
        "call_gap_until": _utc(number.gap_until_ms),
        "declines": number.declines,
        "limits": [_limit_document(each) for each in number.limits],
        "refusals": [
            {
                **_members(each, "at", "client", "limit"),
                "reference_name": each.reference or None,
                "verification": each.verification or None,
            }
            for each in number.refusals
        ],
    }


def verification_document(found: FoundVerification) -> dict[str, Any]:
    """Return one verification of the document of ``otpvoice find``."""
    verification, calls = found.verification, found.verification.calls
    return {
        **_members(verification, "id", "client"),
        "to": found.masked_number,
        **_members(verification, "status", "reason", "reference", *_VERIFICATION_TIMES),
        "checks_left": verification.checks_left,
        "calls": [_members(each, *_CALL_MEMBERS) for each in calls],
    }


def _limit_document(limit: LimitStatus) -> dict[str, Any]:
    used = None if limit.allowed is None else limit.used
    members = {**_members(limit, "client", "limit"), "used": used, "allowed": limit.allowed}
    return {**members, "until": _utc(limit.until_ms)}


def _members(source: object, *names: str) -> dict[str, Any]:
    """Return attributes under their own names, with times as text."""
    values = {name: getattr(source, name) for name in names}
    times = {name for name in names if name == "at" or name.endswith("_at")}
    return {name: _utc(each) if name in times else each for name, each in values.items()}


def _utc(time_ms: int | None) -> str | None:
    return format_utc(time_ms) if time_ms else None
