"""What the scripts are told of the settings and of the core, as Lua tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otpvoice.core.limits import Quota
from otpvoice.core.verification import CALL_MOVES, REDIALED, Route


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How calls follow each other. They stand in the scripts, so that no request carries them."""

    routes: tuple[Route, ...] = (Route.OBD, Route.C2C)
    """In the order in which they are tried."""
    redials: int = 0
    """Further calls of a verification after one that did not reach the person."""
    callback_wait: int = 60_000
    """Milliseconds until the provider is asked about a placed call."""
    calls_per_number: tuple[Quota, ...] = ()

    def lua(self) -> str:
        """``CALL_MOVES`` and ``RULES``, as ``_prelude.lua`` describes them."""
        quotas = ", ".join(
            f"{{ name = '{quota.name}', count = {quota.count}, window = {quota.window} }}"
            for quota in self.calls_per_number
        )
        longest = max((quota.window for quota in self.calls_per_number), default=0)
        rules: dict[str, object] = {
            "redialed": _set(REDIALED),
            "routes": "{ " + ", ".join(f"'{route}'" for route in self.routes) + " }",
            "redials": self.redials,
            "callback_wait": self.callback_wait,
            "calls_per_number": f"{{ {quotas} }}",
            "longest_window": longest,
        }
        moves = {str(status): _set(targets) for status, targets in CALL_MOVES.items()}
        return f"local CALL_MOVES = {_table(moves)}\nlocal RULES = {_table(rules)}\n"


def _set(words: Iterable[str]) -> str:
    return "{ " + ", ".join(f"{word} = true" for word in sorted(words)) + " }"


def _table(members: Mapping[str, object]) -> str:
    rows = "".join(f"  {name} = {value},\n" for name, value in members.items())
    return f"{{\n{rows}}}"
