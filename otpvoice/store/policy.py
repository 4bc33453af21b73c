"""What the scripts are told of the settings and of the core, as Lua tables."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from otpvoice.core.limits import (
    CALLS_PER_DAY,
    DAY_MS,
    LIMITS,
    NO_LIMITS,
    UNLIMITED,
    CallLimits,
    LabeledQuota,
    LimitSettings,
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
    limits: CallLimits = NO_LIMITS
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
        limits = {
            field.name: _render(field.name, getattr(self.limits, field.name))
            for field in structs.fields(LimitSettings)
        }
        shared = _daily(self.limits.calls_per_day)
        return {
            **limits,
            "remembered": _call_memory_ms(self.limits),
            "every_client": _list(_quota(label, "name = 'day', ") for label in shared),
            "settings": _list(f"'{name}'" for name in LIMITS),
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
    if count not in {None, UNLIMITED}:
        yield LabeledQuota(CALLS_PER_DAY, Quota("", count, DAY_MS))


def _render(name: str, value: object) -> str:
    """Render the value of a limit setting."""
    if isinstance(value, tuple):
        return _list(_quota(each) for each in labeled_quotas(name, value))
    if isinstance(value, Ratio):
        return f"{{ percent = {value.percent}, window = {value.window_ms} }}"
    if value is None:
        return "false"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quota(label: LabeledQuota, name: str = "") -> str:
    quota = label.quota
    return f"{{ {name}label = '{label.label}', count = {quota.count}, window = {quota.window_ms} }}"


def _set(words: Iterable[str]) -> str:
    return _list(f"{word} = true" for word in sorted(words))


def _list(members: Iterable[str]) -> str:
    return "{ " + ", ".join(members) + " }"


def _table(members: Mapping[str, object]) -> str:
    rows = "".join(f"  {name} = {value},\n" for name, value in members.items())
    return f"{{\n{rows}}}"
