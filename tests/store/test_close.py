"""Reading and ending a verification, and who owns it."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.driver import StoreDriver
from store.new_verifications import CODE

from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store import Keys

each_ending = pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.CANCELED, EndReason.REQUESTED),
        (Status.APPROVED, EndReason.APPROVED_ELSEWHERE),
    ],
)


def test_get_changes_nothing(driver: StoreDriver) -> None:
    """The version included."""
    begun = driver.create(reference="a")
    found = driver.store.get(begun.id, "login")
    assert found.outcome == "found"
    assert found.verification
    assert found.verification.version == begun.version
    assert driver.get(begun).calls == begun.calls


@pytest.mark.parametrize(("verification", "client"), [("vrf_none", "login"), (None, "bank")])
def test_other_clients_verification_is_not_found(
    driver: StoreDriver, verification: str | None, client: str
) -> None:
    """By get, close, check and calls."""
    begun = driver.create()
    wanted = verification or begun.id
    store = driver.store
    for answer in (
        store.get(wanted, client),
        store.close_verification(wanted, client, Status.CANCELED, EndReason.REQUESTED),
        store.close_verification(wanted, client, Status.APPROVED, EndReason.APPROVED_ELSEWHERE),
    ):
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert driver.get(begun).status is Status.PENDING


def test_get_after_expiry_returns_expired(driver: StoreDriver) -> None:
    """At ``expires_at``, with its unsent call, without a sweep."""
    begun = driver.create()
    driver.store.clock_offset_ms += begun.expires_at - driver.get(begun).now - 2_000
    assert driver.get(begun).status is Status.PENDING
    driver.store.clock_offset_ms += 2_000
    ended = driver.get(begun)
    assert (ended.status, ended.ended_at) == (Status.EXPIRED, begun.expires_at)
    assert (ended.calls[0].status, ended.calls[0].reason) == (
        CallStatus.EXPIRED,
        CallReason.ENDED_FIRST,
    )
    assert driver.seconds_until_due() == -1


def test_ended_verification_is_kept_for_the_retention(driver: StoreDriver, redis: Redis) -> None:
    """With its calls, if one was sent."""
    begun = driver.try_create(ttl=60, keep=3_600).verification
    assert begun
    driver.dial()
    driver.cancel(begun)
    for key in (Keys().of("verification", begun.id), f"{Keys().prefix}call:{begun.calls[0].id}"):
        assert 3_650_000 < redis.pttl(key) <= 3_660_000


@each_ending
def test_close_ends_verification_and_cancels_call(
    driver: StoreDriver, status: Status, reason: EndReason
) -> None:
    """The queued call is never claimed."""
    begun = driver.create()
    answer = driver.close(begun, status, reason)
    assert answer.outcome == "ended"
    assert answer.verification
    assert (answer.verification.status, answer.verification.reason) == (status, reason)
    assert answer.verification.ended_at == answer.verification.now
    assert (answer.verification.calls[0].status, answer.verification.calls[0].reason) == (
        CallStatus.CANCELED,
        CallReason.ENDED_FIRST,
    )
    assert driver.seconds_until_due() == -1


@each_ending
def test_repeated_close_changes_nothing(
    driver: StoreDriver, status: Status, reason: EndReason
) -> None:
    """The outcome is the same."""
    begun = driver.create()
    first = driver.close(begun, status, reason).verification
    driver.advance_time(10)
    again = driver.close(begun, status, reason)
    assert again.outcome == "ended"
    assert first
    assert again.verification
    assert (again.verification.version, again.verification.ended_at) == (
        first.version,
        first.ended_at,
    )


@pytest.mark.parametrize("end", ["canceled", "approved", "checked", "superseded"])
def test_end_before_call_after_cancels_delayed_call(driver: StoreDriver, end: str) -> None:
    """Nothing is dialed."""
    begun = driver.create(call_after=100, own_code=True)
    ends: dict[str, Callable[[], object]] = {
        "canceled": lambda: driver.cancel(begun),
        "approved": lambda: driver.approve(begun),
        "checked": lambda: driver.check(begun, CODE),
        "superseded": lambda: driver.create(code="654321", own_code=True, call_after=200),
    }
    ends[end]()
    driver.advance_time(101)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)
    assert driver.seconds_until_due() == (99 if end == "superseded" else -1)


def test_close_after_another_end_returns_closed(driver: StoreDriver) -> None:
    approved = driver.create()
    driver.approve(approved)
    assert driver.cancel(approved).outcome == "closed"
    canceled = driver.create()
    driver.cancel(canceled)
    assert driver.approve(canceled).outcome == "closed"
    expired = driver.create()
    driver.advance_time(300, dialer=None)
    assert driver.cancel(expired).outcome == "closed"
    assert driver.approve(expired).outcome == "closed"
    assert driver.get(approved).status is Status.APPROVED
    assert driver.get(canceled).status is Status.CANCELED
    assert driver.get(expired).status is Status.EXPIRED


def test_approve_after_check_approval_changes_nothing(driver: StoreDriver) -> None:
    """The reason stays."""
    begun = driver.create_answered()
    driver.check(begun, CODE)
    before = driver.get(begun)
    answer = driver.approve(begun)
    assert answer.outcome == "ended"
    assert answer.verification
    assert (answer.verification.version, answer.verification.reason) == (before.version, None)


def test_approval_resets_the_gap(driver: StoreDriver) -> None:
    """Other ends keep it."""
    canceled = driver.create()
    driver.dial_busy()
    driver.cancel(canceled)
    assert driver.get(canceled).gap_until > 0
    approved = driver.create()
    driver.approve(approved)
    assert driver.get(approved).gap_until == 0


def test_close_leaves_placed_call(driver: StoreDriver) -> None:
    """Its report is still applied."""
    begun = driver.create()
    driver.dial()
    driver.cancel(begun)
    assert driver.last_call(begun).status is CallStatus.PLACED
    driver.apply_callback(CallStatus.ANSWERED, call_id=begun.calls[0].id)
    assert driver.last_call(begun).status is CallStatus.ANSWERED
    assert driver.get(begun).status is Status.CANCELED
