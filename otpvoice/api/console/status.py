"""How the service stands right now: what refuses, what waits, how far limits are used up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otpvoice.core.allowances import allowances
from otpvoice.core.limits import CallLimits
from otpvoice.core.verification import Route
from otpvoice.store.admin import Overview, Use
from otpvoice.store.breaker_help import meaning_of
from otpvoice.store.models import SetAsides


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that refuses, or that somebody should look at."""

    refuses: bool
    title: str
    until: int | None = None
    means: str = ""
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """How far one limit is used up."""

    title: str
    used: int
    allowed: int | None
    """None for what does not count, as a block."""
    until: int | None
    """Until when it refuses; None when it does not."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole service now."""

    seen: Overview
    troubles: tuple[Trouble, ...]
    usages: tuple[Usage, ...]
    live_calls: int
    """So many may be live."""

    @property
    def refused(self) -> dict[str, int]:
        """By limit, in the last hour; only those that refused."""
        return {setting: many for setting, many in self.seen.refused.items() if many}


def standing(
    seen: Overview, limits: CallLimits, live_calls: int, routes: tuple[Route, ...]
) -> Standing:
    """What the store overlooks, beside what the settings allow."""
    used = tuple(usages(seen.uses, limits, seen.now))
    troubles = [*_closed(seen, routes), *_open_breakers(seen), *_full(used), *_waiting(seen)]
    troubles += _set_aside(seen.set_aside)
    troubles.sort(key=lambda each: not each.refuses)
    return Standing(seen, tuple(troubles), used, live_calls)


def usages(uses: Iterable[Use], limits: CallLimits, now: int) -> Iterator[Usage]:
    """What the store counted beside what the settings allow."""
    allowed = dict(allowances(limits))
    for use in uses:
        title = f"{use.client}: {use.limit}" if use.client else use.limit
        until = use.until if use.until > now else None
        yield Usage(title, use.used, allowed.get((use.client, use.limit)), until)


def _closed(seen: Overview, routes: tuple[Route, ...]) -> Iterator[Trouble]:
    if not seen.dialers:
        yield Trouble(
            refuses=True,
            title="No dialer",
            means="None was heard of for 30 s: no call is dialed, and none is taken on.",
            to_do="Start one: otpvoice dialer, or otpvoice serve.",
        )
    for route in seen.closed_routes:
        yield Trouble(
            refuses={*routes} <= {*seen.closed_routes},
            title=f"Route {route} is closed",
            means="The provider failed by it; one call tries it again within minutes.",
            to_do="route.closed in the dialer's log says why.",
        )


def _open_breakers(seen: Overview) -> Iterator[Trouble]:
    for breaker in seen.breakers:
        found = meaning_of(breaker)
        yield Trouble(found.refuses, breaker.name, breaker.until, found.means, found.to_do)


def _full(used: Iterable[Usage]) -> Iterator[Trouble]:
    for each in used:
        if each.until:
            told = f"{each.used} of {each.allowed} are used up: further calls are refused."
            yield Trouble(refuses=True, title=each.title, until=each.until, means=told)


def _waiting(seen: Overview) -> Iterator[Trouble]:
    if seen.overdue > 15_000:
        means = f"The oldest call that could be dialed has waited {seen.overdue // 1000} s."
        to_do = "Over 60 s its client's creates are refused (over_capacity): start another dialer."
        yield Trouble(refuses=False, title="The queue is behind", means=means, to_do=to_do)


def _set_aside(found: SetAsides) -> Iterator[Trouble]:
    if found.quarantined:
        yield Trouble(
            refuses=False,
            title=f"{found.quarantined} unreadable records were set aside in 15 minutes",
            means=f"The newest: {found.records[-1]}." if found.records else "",
            to_do="otpvoice doctor lists them. Find what else writes to this store.",
        )
    if found.undialable:
        yield Trouble(
            refuses=False,
            title=f"{found.undialable} calls of the last 15 minutes could not be dialed",
            means=f"The newest: {found.calls[-1]}." if found.calls else "",
            to_do="Deploy the same settings to the API and all dialers.",
        )
