"""What the scripts are told of the settings and of the core, as Lua tables."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from otpvoice.core.limits import (
    DAY_MS,
    LIMIT_MESSAGES,
    CallLimits,
    LabeledQuota,
    Quota,
    Ratio,
    labeled_quotas,
)
from otpvoice.core.verification import CALL_TRANSITIONS, REDIAL_STATUSES, Route
from otpvoice.store.schema import render_schemas

ROUTE_MAX_FAILURES: Final = 5
"""So many requests in a row, over different numbers, that a route did not accept close it."""
ROUTE_PAUSE_MS: Final = 10_000
"""Milliseconds that a route is closed for the first time; each further time is twice as long."""
ROUTE_MAX_PAUSE_MS: Final = 60_000
"""Milliseconds that a route is closed at most before one call tries it."""


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """How calls follow each other. They stand in the scripts, so that no request carries them."""

    routes: tuple[Route, ...] = (Route.OBD, Route.C2C)
    """In the order in which they are tried."""
    max_redials: int = 0
    """Further calls of a verification after one that did not reach the person."""
    callback_timeout_ms: int = 60_000
    """Milliseconds until the provider is asked about a placed call."""
    limits: CallLimits = field(default_factory=CallLimits)
    clients_with_events: frozenset[str] = frozenset()
    """Clients of ``limits`` that are sent events."""

    def render_lua(self) -> str:
        """``CALL_TRANSITIONS``, ``POLICY`` and ``CLIENT``.

        A quota is ``{label, count, window}``; one of a client or of the whole service, which is
        counted in a tally, has its ``name`` besides; a breaker is ``{percent, window}`` or false.
        """
        moves = {str(status): _set(targets) for status, targets in CALL_TRANSITIONS.items()}
        rules: dict[str, object] = {
            "redial_statuses": _set(REDIAL_STATUSES),
            "routes": _list(f"'{route}'" for route in self.routes),
            "max_redials": self.max_redials,
            "callback_timeout": self.callback_timeout_ms,
            "route_failures": ROUTE_MAX_FAILURES,
            "route_pause": ROUTE_PAUSE_MS,
            "route_longest_pause": ROUTE_MAX_PAUSE_MS,
            **self._limits(),
        }
        return (
            f"local CALL_TRANSITIONS = {_table(moves)}\nlocal POLICY = {_table(rules)}\n"
            f"local CLIENTS = {_table(self._clients())}\n"
            "local UNKNOWN = { counters = {}, deliver_only = false, has_events = false }\n"
            "local function CLIENT(name) return CLIENTS[name] or UNKNOWN end\n"
        )

    def _clients(self) -> dict[str, str]:
        return {
            f"['{name}']": f"{{ counters = {self._counters(name)}, "
            f"deliver_only = {str(each.deliver_only).lower()}, "
            f"has_events = {str(name in self.clients_with_events).lower()} }}"
            for name, each in self.limits.clients.items()
        }

    def _limits(self) -> dict[str, object]:
        limits = self.limits
        return {
            **{
                setting: _list(
                    _quota(each) for each in labeled_quotas(setting, getattr(limits, setting))
                )
                for setting in (
                    "calls_per_number",
                    "all_calls_per_number",
                    "wrong_codes_per_number",
                    "unverified_per_prefix",
                    "calls_per_ip",
                    "creates_per_ip",
                    "creates_per_client",
                )
            },
            "pending_per_number": _count(limits.pending_per_number),
            "attempts_per_verification": _count(limits.attempts_per_verification),
            "remembered": _call_memory_ms(limits),
            "approval_clears_wrong_codes": str(limits.approval_clears_wrong_codes).lower(),
            "conversion_breaker": _ratio(limits.conversion_breaker),
            "wrong_code_breaker": _ratio(limits.wrong_code_breaker),
            "every_client": _list(
                _quota(label, "name = 'day', ") for label in _daily(limits.calls_per_day)
            ),
            "settings": _list(f"'{setting}'" for setting in LIMIT_MESSAGES),
            "records": render_schemas(),
        }

    def _counters(self, client: str) -> str:
        """What a call of ``client`` is counted in besides what all calls are."""
        own = self.limits.clients[client]
        each = [
            *(
                (f"client {client}", label)
                for label in labeled_quotas("calls_per_client", own.calls)
            ),
            *((f"day of client {client}", label) for label in _daily(own.calls_per_day)),
        ]
        return _list(_quota(label, f"name = '{name}', ") for name, label in each)


def _call_memory_ms(limits: CallLimits) -> int:
    """How long (ms) it is known of a number when it was called."""
    counted = (limits.calls_per_number, limits.all_calls_per_number, limits.unverified_per_prefix)
    return max([DAY_MS, *(quota.window_ms for quotas in counted for quota in quotas)])


def _daily(count: int | None) -> Iterator[LabeledQuota]:
    if count is not None:
        yield LabeledQuota("calls_per_day", Quota("", count, DAY_MS))


def _quota(label: LabeledQuota, name: str = "") -> str:
    quota = label.quota
    return f"{{ {name}label = '{label.label}', count = {quota.count}, window = {quota.window_ms} }}"


def _count(count: int | None) -> int:
    """Return the bound, or one that nothing reaches (the library is loaded without ``math``)."""
    return sys.maxsize if count is None else count


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "false"
    return f"{{ percent = {ratio.percent}, window = {ratio.window_ms} }}"


def _set(words: Iterable[str]) -> str:
    return _list(f"{word} = true" for word in sorted(words))


def _list(members: Iterable[str]) -> str:
    return "{ " + ", ".join(members) + " }"


def _table(members: Mapping[str, object]) -> str:
    rows = "".join(f"  {name} = {value},\n" for name, value in members.items())
    return f"{{\n{rows}}}"
