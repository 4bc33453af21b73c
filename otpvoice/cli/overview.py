"""What refuses in the whole service, told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from otpvoice.cli.breakers import breaker_document, tell_breaker
from otpvoice.cli.moments import iso, when
from otpvoice.cli.uses import HEADING, Usage, usages
from otpvoice.core.limits import CallLimits
from otpvoice.core.verification import Route
from otpvoice.store.admin import Overview
from otpvoice.store.breaker_help import meaning_of


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """The whole service as it stands, beside what its settings allow."""

    seen: Overview
    usages: tuple[Usage, ...]
    """Of clients and of the day."""
    live_calls: int
    """So many may be live."""
    routes: tuple[Route, ...]

    @property
    def unavailable(self) -> list[str]:
        """Why no call is taken on at all."""
        reasons = []
        if not self.seen.dialers:
            reasons.append("no dialer was heard of for 30 s: otpvoice dialer, or otpvoice serve")
        if {*self.routes} <= {*self.seen.closed_routes}:
            reasons.append(
                "all routes are closed, and tried again within a minute: route.closed "
                "in the dialer's log says why"
            )
        return reasons


def service_limits(
    seen: Overview, limits: CallLimits, live_calls: int, routes: tuple[Route, ...]
) -> ServiceLimits:
    """What the store overlooks, beside what the settings allow."""
    return ServiceLimits(seen, tuple(usages(seen.uses, limits, seen.now)), live_calls, routes)


def tell(service: ServiceLimits) -> Iterator[str]:
    """What refuses and what to do about it in front, then the figures."""
    refusing, alarms = [*_refusing(service)], [*_alarms(service)]
    yield "Refusing now:" if refusing else "Nothing refuses."
    yield from refusing
    if alarms:
        yield from ("", "Alarms:", *alarms)
    yield from ("", HEADING)
    for each in service.usages:
        yield each.row(service.seen.now)
    yield ""
    yield from _figures(service)


def document(service: ServiceLimits) -> dict[str, Any]:
    """The same for machines."""
    seen = service.seen
    return {
        "now": iso(seen.now),
        "refuses": any(_refusing(service)),
        "unavailable": service.unavailable,
        "breakers": [breaker_document(each) for each in seen.breakers],
        "limits": [each.document() for each in service.usages],
        "refused_last_hour": seen.refused,
        "live_calls": {"used": seen.live, "allowed": service.live_calls},
        "queued_calls": seen.queued,
        "dialers": seen.dialers,
        "closed_routes": [*seen.closed_routes],
        "quarantined_records": seen.set_aside.quarantined,
        "undialable_calls": seen.set_aside.undialable,
    }


def _refusing(service: ServiceLimits) -> Iterator[str]:
    now = service.seen.now
    for reason in service.unavailable:
        yield f"  every call: {reason}"
    for breaker in service.seen.breakers:
        if meaning_of(breaker).refuses:
            yield from tell_breaker(breaker, now)
    for each in service.usages:
        if each.until:
            yield f"  {each.title} {each.count} until {when(each.until, now)}"


def _alarms(service: ServiceLimits) -> Iterator[str]:
    for breaker in service.seen.breakers:
        if not meaning_of(breaker).refuses:
            yield from tell_breaker(breaker, service.seen.now)


def _figures(service: ServiceLimits) -> Iterator[str]:
    seen = service.seen
    refused = [f"{setting} {count}" for setting, count in seen.refused.items() if count]
    full = ": further calls wait in the queue" if seen.live >= service.live_calls else ""
    yield f"  refused in the last hour   {', '.join(refused) or 'nothing'}"
    yield f"  live_calls                 {seen.live}/{service.live_calls}{full}"
    yield f"  queued calls               {seen.queued}"
    yield f"  dialers                    {seen.dialers}"
    yield f"  closed routes              {', '.join(seen.closed_routes) or 'none'}"
    if count := seen.set_aside.quarantined:
        yield f"  unreadable records         {count} in 15 min: otpvoice doctor"
    if count := seen.set_aside.undialable:
        yield f"  undialable calls           {count} in 15 min: otpvoice doctor"
