"""Round trips to the store in one request, as the store counts them (MONITOR)."""

from collections.abc import Callable
from typing import Any, Final

from report import Budget, Measurement, Section, at_most
from sizes import Sizes
from stack import WEBHOOK_SECRET, Connection, Stack, number

_END: Final = "the request is complete"


def measure(_: Sizes) -> list[Section]:
    """Count the round trips of a create, a GET, a check and a callback."""
    with Stack() as stack, stack.server("api") as api:
        stack.reset()
        client, provider = Connection(api.port), Connection(api.port, WEBHOOK_SECRET)
        body = {"to": number(0), "code": "471102"}
        verification = client.request("POST", "/v1/verifications", body)[1]
        path = f"/v1/verifications/{verification['id']}"
        callback = {"id": "call-1", "status": "ANSWER", "to": number(0), "duration": "9"}
        requests: dict[str, tuple[Callable[[], Any], Budget]] = {
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
            Measurement(kind, _count_commands(stack, send), "trips", budget)
            for kind, (send, budget) in requests.items()
        ]
    return [Section("Round trips to the store", figures)]


def _count_commands(stack: Stack, send: Callable[[], Any]) -> int:
    """Count the commands from clients, without those that functions run in the store."""
    redis: Any = stack.redis()
    count = 0
    with redis.monitor() as monitor:
        send()
        stack.redis().echo(_END)
        for command in monitor.listen():
            if _END in command["command"]:
                return count
            # The set-up of a new connection belongs to no request.
            is_setup = command["command"].startswith(("CLIENT ", "SELECT ", "HELLO "))
            count += command["client_type"] != "lua" and not is_setup
    return count
