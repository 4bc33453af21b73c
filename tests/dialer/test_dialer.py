"""The running dialer: wake-up, canceled calls, stop, and failing store functions."""

import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from structlog.testing import capture_logs
from support.processes import wait_until
from support.service import ASHA, ClientAndDialer, SandboxPhones, running_dialers
from support.timing import finishes_within

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.sandbox import RunningSandbox
from otpvoice.store.redis_store import RedisStore


def test_waiting_dialer_is_woken_by_a_create(
    harness: ClientAndDialer, sandbox: RunningSandbox, make_dialer: Callable[..., Dialer]
) -> None:
    """A request reaches the provider within a fraction of the longest sleep."""
    with running_dialers(make_dialer()):
        time.sleep(0.2)  # asleep by now
        for n in range(5):
            with finishes_within(0.1):
                harness.create(f"+91987654321{n}")
                assert sandbox.state.wait_until(
                    lambda n=n: len(sandbox.state.network.request_log()) > n,  # type: ignore[misc]
                    5,
                )


def test_canceled_verification_is_not_called(
    harness: ClientAndDialer, phones: SandboxPhones
) -> None:
    """Its call was due already. The call has the reason."""
    verification = harness.create()
    harness.cancel(verification)
    assert not harness.dial_next()
    (call,) = harness.calls_of(verification)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert phones.ledger() == []


def test_stopping_dialer_finishes_calls_in_flight(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    sandbox: RunningSandbox,
    make_dialer: Callable[..., Dialer],
) -> None:
    """Other calls stay queued."""
    phones.set_behaviour(ASHA, "slow", seconds=0.5)
    begun = harness.create(ASHA)
    with running_dialers(make_dialer()):
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.network.request_log()), 2)
    (call,) = harness.calls_of(begun)
    assert call.status is CallStatus.PLACED
    later = harness.create("+919876543211")
    assert harness.calls_of(later)[0].status is CallStatus.QUEUED


def test_dialer_continues_after_failing_store_functions(
    redis: Redis, store: RedisStore, harness: ClientAndDialer, make_dialer: Callable[..., Dialer]
) -> None:
    """Each failed iteration is logged. Calls are placed as soon as the functions work."""
    dialer = make_dialer()
    redis.function_flush()
    assert store.health().dialers  # it loads the library
    library: Any = redis.function_list("otpvoice_*", withcode=False)[0]
    name, functions = library[1].decode(), [each[1].decode() for each in library[5]]
    failing = "redis.register_function('{}', function() error('broken') end)"
    text = "\n".join([f"#!lua name={name}", *map(failing.format, functions)])
    redis.function_load(text, replace=True)
    with capture_logs() as lines, running_dialers(dialer):
        wait_until(
            lambda: {"claim", "sweep"} <= {each.get("function") for each in lines}, "failed rounds"
        )
        before = calls_of(redis)
        wait_until(lambda: calls_of(redis) >= before + 12, "further rounds")
        redis.function_delete(name)
        wait_until(lambda: store.health().dialers > 0, "a heartbeat")
        verification = harness.create()
        wait_until(lambda: harness.calls_of(verification)[0].status is CallStatus.PLACED, "a call")
    assert lines[-1]["event"] == "dialer.stopped"


def calls_of(redis: Redis) -> int:
    """Return how many functions the server has run."""
    calls: int = redis.info("commandstats")["cmdstat_fcall"]["calls"]
    return calls
