"""The running dialer: promptness, at most one live call for a number, a graceful stop."""

import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from stopwatch import takes_within
from structlog.testing import capture_logs
from system.processes import until
from world import ASHA, Desk, Phones, running

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.sandbox import RunningSandbox
from otpvoice.store.redis_store import RedisStore


def test_a_waiting_dialer_is_woken_at_once(
    desk: Desk, sandbox: RunningSandbox, dialer_of: Callable[..., Dialer]
) -> None:
    """A request reaches the provider within a fraction of the dialer's longest sleep."""
    with running(dialer_of()):
        time.sleep(0.2)  # asleep by now
        for n in range(5):
            with takes_within(0.5):
                desk.asks(f"+91987654321{n}")
                assert sandbox.state.wait_until(
                    lambda n=n: len(sandbox.state.network.request_log()) > n,  # type: ignore[misc]
                    5,
                )


def test_a_canceled_verification_is_not_called(desk: Desk, phones: Phones) -> None:
    """Ended while its call was due: nothing is sent, and the call says why."""
    verification = desk.asks()
    desk.cancels(verification)
    assert not desk.dials()
    (call,) = desk.calls_of(verification)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert phones.ledger() == []


def test_a_stopping_dialer_finishes_what_it_began(
    desk: Desk, phones: Phones, sandbox: RunningSandbox, dialer_of: Callable[..., Dialer]
) -> None:
    """A call in flight at the stop is still recorded; what was not begun stays queued."""
    phones.behave(ASHA, "slow", seconds=0.5)
    begun = desk.asks(ASHA)
    with running(dialer_of()):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.network.request_log()), 2)
    (call,) = desk.calls_of(begun)
    assert call.status is CallStatus.PLACED
    later = desk.asks("+919876543211")
    assert desk.calls_of(later)[0].status is CallStatus.QUEUED


def test_dialer_goes_on_when_functions_of_the_store_fail(
    redis: Redis, store: RedisStore, desk: Desk, dialer_of: Callable[..., Dialer]
) -> None:
    """Each failed round ends and is logged; once the functions work, calls are placed."""
    dialer = dialer_of()
    redis.function_flush()
    assert store.health().dialers  # it loads the library
    library: Any = redis.function_list("otpvoice_*", withcode=False)[0]
    name, functions = library[1].decode(), [each[1].decode() for each in library[5]]
    failing = "redis.register_function('{}', function() error('broken') end)"
    text = "\n".join([f"#!lua name={name}", *map(failing.format, functions)])
    redis.function_load(text, replace=True)
    with capture_logs() as lines, running(dialer):
        until(
            lambda: {"claim", "sweep"} <= {each.get("function") for each in lines}, "failed rounds"
        )
        before = calls_of(redis)
        until(lambda: calls_of(redis) >= before + 12, "further rounds")
        redis.function_delete(name)
        until(lambda: store.health().dialers > 0, "a heartbeat")
        verification = desk.asks()
        until(lambda: desk.calls_of(verification)[0].status is CallStatus.PLACED, "a call")
    assert lines[-1]["event"] == "dialer.stopped"


def calls_of(redis: Redis) -> int:
    """Return how many functions the server has run."""
    calls: int = redis.info("commandstats")["cmdstat_fcall"]["calls"]
    return calls
