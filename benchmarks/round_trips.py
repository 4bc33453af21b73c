"""How often the store is asked for one request, as the store itself sees it (MONITOR)."""

from collections.abc import Callable
from typing import Any, Final

from report import Budget, Measurement, Section, at_most
from stack import WEBHOOK_SECRET, Connection, Sizes, Stack, number

_OVER: Final = "the request is answered"


def measure(_: Sizes) -> list[Section]:
    """Round trips of a create, a get, a check and a callback."""
    with Stack() as stack, stack.server("api") as api:
        stack.reset()
        client, provider = Connection(api.port), Connection(api.port, WEBHOOK_SECRET)
        begun = client.request("POST", "/v1/verifications", {"to": number(0), "code": "471102"})[1]
        path = f"/v1/verifications/{begun['id']}"
        callback = {"id": "call-1", "status": "ANSWER", "to": number(0), "duration": "9"}
        asked: dict[str, tuple[Callable[[], Any], Budget]] = {
            "create": (lambda: client.create(number(1)), at_most(1)),
            "get": (lambda: client.request("GET", path), at_most(1)),
            "check": (
                lambda: client.request("POST", f"{path}/checks", {"code": "000000"}),
                at_most(1),
            ),
            "callback": (
                lambda: provider.request("POST", "/webhooks/mobtexting", callback),
                at_most(2),
            ),
        }
        figures = [
            Measurement(kind, _commands(stack, ask), "trips", budget)
            for kind, (ask, budget) in asked.items()
        ]
    return [Section("Round trips to the store", figures)]


def _commands(stack: Stack, ask: Callable[[], Any]) -> int:
    """From clients, not from within a rule."""
    redis: Any = stack.redis()
    count = 0
    with redis.monitor() as monitor:
        ask()
        stack.redis().echo(_OVER)
        for command in monitor.listen():
            if _OVER in command["command"]:
                return count
            # A new connection introduces itself; that is of no request.
            introduces = command["command"].startswith(("CLIENT ", "SELECT ", "HELLO "))
            count += command["client_type"] != "lua" and not introduces
    return count
