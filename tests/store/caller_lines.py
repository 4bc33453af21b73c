"""Several caller lines of one client: a driver that has them, and who was called from which."""

from typing import Any

from redis import Redis
from store.driver import StoreDriver

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import Verification
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

LINES = ("918068280000", "918068280001", "918068280002")
ABROAD = "12025550100"
OTHER_LINE = "918068289999"


def driver_with_lines(redis: Redis, *lines: str, **policy: Any) -> StoreDriver:
    """Return a driver whose client ``login`` has these lines."""
    own = {"login": CallerLines(lines)}
    rules = StorePolicy(client_lines=own, **policy)
    return StoreDriver(RedisStore(redis, policy=rules), gaps=(0,))


def numbers(count: int, start: int = 0) -> list[str]:
    """Return Indian numbers."""
    return [f"+9197{start + n:08}" for n in range(count)]


def line_of(verification: Verification) -> str:
    """Return the line of its newest call."""
    call = verification.calls[-1]
    assert call.caller_id == f"+{call.bridge}"
    return call.bridge
