"""The running dialer: promptness, at most one live call for a number, a graceful stop."""

import time
from collections.abc import Callable

from stopwatch import takes_within
from world import ASHA, Desk, Phones, running

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.sandbox import RunningSandbox


def test_a_waiting_dialer_is_woken_at_once(
    desk: Desk, sandbox: RunningSandbox, dialer_of: Callable[..., Dialer]
) -> None:
    """A request reaches the provider within a fraction of the dialer's longest sleep."""
    with running(dialer_of()):
        time.sleep(0.2)  # asleep by now
        for n in range(5):
            with takes_within(0.5):
                desk.asks(f"+91987654321{n}")
                assert sandbox.company.wait_until(
                    lambda n=n: len(sandbox.company.network.ledger()) > n,  # type: ignore[misc]
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
        assert sandbox.company.wait_until(lambda: bool(sandbox.company.network.ledger()), 2)
    (call,) = desk.calls_of(begun)
    assert call.status is CallStatus.PLACED
    later = desk.asks("+919876543211")
    assert desk.calls_of(later)[0].status is CallStatus.QUEUED
