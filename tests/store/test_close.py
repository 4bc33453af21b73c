"""Reading and ending: cancel and approve, and whose verification it is."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.driver import CODE, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store.keys import Keys

each_ending = pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.CANCELED, EndReason.REQUESTED),
        (Status.APPROVED, EndReason.APPROVED_ELSEWHERE),
    ],
)


def test_reading_changes_nothing(driver: StoreDriver) -> None:
    """The same verification, version included."""
    begun = driver.create(reference="a")
    found = driver.store.get(begun.id, "login")
    assert found.outcome == "found"
    assert found.verification
    assert found.verification.version == begun.version
    assert driver.get(begun).calls == begun.calls


@pytest.mark.parametrize(("verification", "client"), [("vrf_none", "login"), (None, "bank")])
def test_anothers_is_as_unknown_as_none(
    driver: StoreDriver, verification: str | None, client: str
) -> None:
    """For reading, ending, checking and calling."""
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


def test_whoever_reads_it_after_its_life_sees_it_expired(driver: StoreDriver) -> None:
    """At exactly ``expires_at``, with its unsent call, though nobody swept."""
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


def test_ended_ones_are_kept_and_then_gone(driver: StoreDriver, redis: Redis) -> None:
    """For ``keep`` after their life, calls and all, where a call was sent."""
    begun = driver.try_create(ttl=60, keep=3_600).verification
    assert begun
    driver.dial()
    driver.cancel(begun)
    for key in (Keys().of("verification", begun.id), f"{Keys().prefix}call:{begun.calls[0].id}"):
        assert 3_650_000 < redis.pttl(key) <= 3_660_000


@each_ending
def test_ending(driver: StoreDriver, status: Status, reason: EndReason) -> None:
    """It ends for good, and the call that waits is called off and never claimed."""
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
def test_ending_again_is_the_same(driver: StoreDriver, status: Status, reason: EndReason) -> None:
    """Nothing changes, and the answer is the same."""
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
def test_a_delayed_call_dies_with_its_verification(driver: StoreDriver, end: str) -> None:
    """Whatever ends it before ``call_after``, nothing is ever dialed."""
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


def test_ended_otherwise_is_closed(driver: StoreDriver) -> None:
    """Cancel does not undo an approval, nor approve a cancel, nor anything an expiry."""
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


def test_approving_what_a_check_approved_changes_nothing(driver: StoreDriver) -> None:
    """It is 200 by the contract: proven is proven, and the reason stays as it was."""
    begun = driver.create_answered()
    driver.check(begun, CODE)
    before = driver.get(begun)
    answer = driver.approve(begun)
    assert answer.outcome == "ended"
    assert answer.verification
    assert (answer.verification.version, answer.verification.reason) == (before.version, None)


def test_an_approval_forgets_the_gap(driver: StoreDriver) -> None:
    """Gaps count calls since the last approval; other ends leave them."""
    canceled = driver.create()
    driver.dial_busy()
    driver.cancel(canceled)
    assert driver.get(canceled).gap_until > 0
    approved = driver.create()
    driver.approve(approved)
    assert driver.get(approved).gap_until == 0


def test_a_placed_call_can_not_be_called_back(driver: StoreDriver) -> None:
    """Its verification ends; the call goes on, and its news is taken."""
    begun = driver.create()
    driver.dial()
    driver.cancel(begun)
    assert driver.last_call(begun).status is CallStatus.PLACED
    driver.apply_callback(CallStatus.ANSWERED, call_id=begun.calls[0].id)
    assert driver.last_call(begun).status is CallStatus.ANSWERED
    assert driver.get(begun).status is Status.CANCELED
