"""What refuses in the whole service, told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from otpvoice.cli.breakers import render_breaker, serialize_breaker
from otpvoice.cli.moments import format_time, format_utc
from otpvoice.cli.uses import HEADING, LimitStatus, limit_statuses
from otpvoice.core.limits import CallLimits
from otpvoice.core.verification import Route
from otpvoice.store.admin import Overview
from otpvoice.store.breaker_help import help_for


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service as it stands, beside what its settings allow."""

    overview: Overview
    limits: tuple[LimitStatus, ...]
    """Of clients and of the day."""
    max_live_calls: int
    """So many may be live."""
    routes: tuple[Route, ...]

    @property
    def unavailable(self) -> list[str]:
        """Why no call is taken on at all."""
        reasons = []
        if not self.overview.dialers:
            reasons.append("no dialer was heard of for 30 s: otpvoice dialer, or otpvoice serve")
        if {*self.routes} <= {*self.overview.closed_routes}:
            reasons.append(
                "all routes are closed, and tried again within a minute: route.closed "
                "in the dialer's log says why"
            )
        return reasons


def service_status(
    overview: Overview, limits: CallLimits, max_live_calls: int, routes: tuple[Route, ...]
) -> ServiceStatus:
    """What the store overlooks, beside what the settings allow."""
    return ServiceStatus(
        overview,
        tuple(limit_statuses(overview.limits, limits, overview.now)),
        max_live_calls,
        routes,
    )


def render_status(service: ServiceStatus) -> Iterator[str]:
    """What refuses and what to do about it in front, then the figures."""
    refusing, alarms = [*_render_refusing(service)], [*_render_alarms(service)]
    yield "Refusing now:" if refusing else "Nothing refuses."
    yield from refusing
    if alarms:
        yield from ("", "Alarms:", *alarms)
    yield from ("", HEADING)
    for each in service.limits:
        yield each.render(service.overview.now)
    yield ""
    yield from _render_stats(service)


def serialize_status(service: ServiceStatus) -> dict[str, Any]:
    """The same for machines."""
    seen = service.overview
    return {
        "now": format_utc(seen.now),
        "refuses": any(_render_refusing(service)),
        "unavailable": service.unavailable,
        "breakers": [serialize_breaker(each) for each in seen.open_breakers],
        "limits": [each.serialize() for each in service.limits],
        "refused_last_hour": seen.refused,
        "live_calls": {"used": seen.live_calls, "allowed": service.max_live_calls},
        "queued_calls": seen.queued_calls,
        "dialers": seen.dialers,
        "closed_routes": [*seen.closed_routes],
        "quarantined_records": seen.quarantine.quarantined,
        "undialable_calls": seen.quarantine.undialable,
    }


def _render_refusing(service: ServiceStatus) -> Iterator[str]:
    now = service.overview.now
    for reason in service.unavailable:
        yield f"  every call: {reason}"
    for breaker in service.overview.open_breakers:
        if help_for(breaker).blocks_calls:
            yield from render_breaker(breaker, now)
    for each in service.limits:
        if each.until_ms:
            yield f"  {each.title} {each.count} until {format_time(each.until_ms, now)}"


def _render_alarms(service: ServiceStatus) -> Iterator[str]:
    for breaker in service.overview.open_breakers:
        if not help_for(breaker).blocks_calls:
            yield from render_breaker(breaker, service.overview.now)


def _render_stats(service: ServiceStatus) -> Iterator[str]:
    seen = service.overview
    refused = [f"{setting} {count}" for setting, count in seen.refused.items() if count]
    full = ": further calls wait in the queue" if seen.live_calls >= service.max_live_calls else ""
    yield f"  refused in the last hour   {', '.join(refused) or 'nothing'}"
    yield f"  live_calls                 {seen.live_calls}/{service.max_live_calls}{full}"
    yield f"  queued calls               {seen.queued_calls}"
    yield f"  dialers                    {seen.dialers}"
    yield f"  closed routes              {', '.join(seen.closed_routes) or 'none'}"
    if count := seen.quarantine.quarantined:
        yield f"  unreadable records         {count} in 15 min: otpvoice doctor"
    if count := seen.quarantine.undialable:
        yield f"  undialable calls           {count} in 15 min: otpvoice doctor"
