"""Pending verifications of one client and number: one for each reference, and a bounded number."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver
from store.limit_cases import NO_GAP
from store.new_verifications import CODE

from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status, Verification
from otpvoice.store.models import CallResult

MOST = 3
HERE, THERE, ELSEWHERE = "203.0.113.1", "203.0.113.2", "203.0.113.3"
UNSENT = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with at most three pending verifications of a client and number."""
    return driver_with_limits(redis, gaps=NO_GAP, pending_per_number=MOST)


def creates(driver: StoreDriver, *addresses: str | None) -> list[Verification]:
    """Create a verification for each address, each of its own reference, a second apart."""
    begun = []
    for address in addresses:
        driver.advance_time(1)
        reference = f"session at {driver.store.clock_offset_ms}"
        begun.append(driver.create(reference=reference, ip=address, call_after=100))
    return begun


def superseded(driver: StoreDriver, begun: list[Verification]) -> list[int]:
    """Return the positions of superseded verifications; all others must be pending."""
    seen = [driver.get(each) for each in begun]
    gone = [n for n, each in enumerate(seen) if each.status is not Status.PENDING]
    assert all(seen[n].reason is EndReason.SUPERSEDED for n in gone)
    return gone


@pytest.mark.parametrize(
    ("pending", "newcomer", "gone"),
    [
        ([HERE, HERE, THERE], HERE, 0),
        ([THERE, HERE, HERE], THERE, 1),
        ([THERE, HERE, HERE], ELSEWHERE, 1),
        ([None, HERE, None], HERE, 0),
        ([HERE, None, None], THERE, 1),
        ([HERE, THERE, ELSEWHERE], ELSEWHERE, 2),
        ([HERE, THERE, None], None, 2),
        ([HERE, THERE, None], ELSEWHERE, 0),
    ],
)
def test_one_more_supersedes_the_oldest_of_the_address_with_most(
    driver: StoreDriver, pending: list[str | None], newcomer: str | None, gone: int
) -> None:
    """No address counts as one address. If two have as many, the newcomer's own goes first."""
    begun = creates(driver, *pending)
    creates(driver, newcomer)
    assert superseded(driver, begun) == [gone]
    call = driver.last_call(begun[gone])
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.ENDED_FIRST)


def test_verification_whose_call_was_sent_is_never_superseded_by_others(
    driver: StoreDriver,
) -> None:
    """Its owner may have heard the code."""
    owner = driver.create_answered(reference="owner", ip=HERE)
    storm = creates(driver, *[HERE] * 20)
    assert superseded(driver, storm) == list(range(18))
    assert driver.check(owner, CODE).outcome == "right"


def test_create_is_refused_when_calls_were_sent_for_all(driver: StoreDriver) -> None:
    """Until the first of them ends. Nothing of the others is shown."""
    begun = [driver.create_answered(reference=f"{n}") for n in range(MOST)]
    refused = driver.try_create(reference="one more")
    assert (refused.outcome, refused.verification) == ("rate_limited pending_per_number", None)
    left = begun[0].expires_at - driver.get(begun[0]).now
    assert 0 <= refused.retry_after_ms - left < 5_000  # the milliseconds between the two readings
    assert superseded(driver, begun) == []
    driver.advance_time(refused.retry_after_ms / 1000)
    assert driver.try_create(reference="one more").outcome == "created"


def test_call_that_did_not_ring_does_not_protect_its_verification(driver: StoreDriver) -> None:
    """No one heard its code."""
    unheard = driver.create(reference="unheard")
    driver.dial(UNSENT)
    creates(driver, HERE, THERE, ELSEWHERE)
    assert driver.get(unheard).reason is EndReason.SUPERSEDED


@pytest.mark.parametrize("end", ["approved", "canceled", "expired", "forgotten by the server"])
def test_ended_verification_makes_room_for_another(
    driver: StoreDriver, redis: Redis, end: str
) -> None:
    """However it ended, also without a sweep."""
    first, *others = creates(driver, HERE, THERE, ELSEWHERE)
    if end == "approved":
        driver.approve(first)
    elif end == "canceled":
        driver.cancel(first)
    elif end == "expired":
        driver.store.clock_offset_ms += first.expires_at - driver.get(first).now
    else:
        redis.delete(f"{{otpvoice}}:verification:{first.id}")
    driver.create(reference="one more", call_after=90)
    assert superseded(driver, others) == []


def test_clients_and_numbers_have_separate_bounds(driver: StoreDriver) -> None:
    begun = creates(driver, HERE, HERE, HERE)
    driver.create(client="bank", reference="a", call_after=90)
    driver.create(RAVI, reference="a", call_after=90)
    assert superseded(driver, begun) == []


def test_newer_own_code_replaces_its_predecessor(driver: StoreDriver) -> None:
    others = creates(driver, HERE, HERE)
    old = driver.create(reference="sms", call_after=90)
    newer = driver.try_create(reference="sms", code="654321", own_code=True, call_after=90)
    assert newer.outcome == "created"
    assert driver.get(old).reason is EndReason.SUPERSEDED
    assert superseded(driver, others) == []


def test_refused_create_supersedes_nothing(driver: StoreDriver) -> None:
    """No dialer is running."""
    begun = creates(driver, HERE, HERE, HERE)
    driver.advance_time(31, dialer=None)
    assert driver.try_create(reference="one more").outcome == "calls_unavailable"
    assert superseded(driver, begun) == []


def test_guesses_count_over_all_pending_verifications(redis: Redis) -> None:
    """More references give no more guesses."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, pending_per_number=5, wrong_codes_per_number=parse_quotas("7/1h")
    )
    begun = [driver.create_answered(reference=f"{n}") for n in range(5)]
    outcomes = [driver.check(each, f"9{guess:05}").outcome for guess in range(4) for each in begun]
    assert outcomes == ["wrong"] * 7 + ["rate_limited wrong_codes_per_number"] * 13
    assert driver.check(begun[0], CODE).outcome == "rate_limited wrong_codes_per_number"
