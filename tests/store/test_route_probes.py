"""Calls that wait while all routes are closed, and the calls that probe a route."""

import pytest
from msgspec.structs import replace
from redis import Redis
from store.driver import StoreDriver
from store.many_numbers import (
    BAD,
    BOTH,
    DOWN,
    FIRST_PAUSE,
    GIVEN_BACK,
    GOOD,
    LEASE,
    ManyNumbers,
    closed_routes,
)

from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store import Keys
from otpvoice.store.models import CallResult, Claim


@pytest.fixture
def waiting(driver: StoreDriver, numbers: ManyNumbers) -> list[Verification]:
    """Create verifications whose calls wait for a route."""
    return create_waiting(driver, numbers, 5)


def create_waiting(
    driver: StoreDriver, numbers: ManyNumbers, count: int, ttl: float = 300
) -> list[Verification]:
    """Create verifications with this life while all routes are closed."""
    probes = [numbers.create(route) for route in BOTH]
    claims = [driver.claim() for _ in probes]
    held = [numbers.create(ttl=ttl) for _ in range(count)]
    for claim in claims:
        driver.mark_sent(claim)
        driver.record(claim, DOWN)
    assert closed_routes(driver) == BOTH
    return held


def refuse_probes(driver: StoreDriver, result: CallResult = DOWN) -> None:
    """Refuse the probe of each route."""
    for _ in BOTH:
        claim = driver.claim()
        driver.mark_sent(claim)
        assert driver.record(claim, result).route_change == "closed"


def still_queued(driver: StoreDriver, held: list[Verification]) -> int:
    """Return how many of them wait, without a used attempt."""
    calls = [call for begun in held for call in driver.get(begun).calls]
    assert len(calls) == len(held)
    return sum(call.status is CallStatus.QUEUED for call in calls)


def claim_probes(driver: StoreDriver) -> tuple[Claim, Claim]:
    """Let the first pause of both routes pass, and claim the probe of each."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    return driver.claim(), driver.claim()


def test_calls_wait_while_all_routes_are_closed(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """The claim returns the time to wait."""
    assert driver.seconds_until_due() == FIRST_PAUSE
    assert still_queued(driver, waiting) == 5


def test_one_call_at_a_time_probes_a_route(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """The rest wait."""
    probes = claim_probes(driver)
    assert {probe.route for probe in probes} == set(BOTH)
    assert driver.seconds_until_due() == LEASE
    assert still_queued(driver, waiting) == 3


def test_successful_probe_releases_all_waiting_calls(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """Also those of the other route."""
    probe, _ = claim_probes(driver)
    driver.seconds_until_due()
    driver.mark_sent(probe)
    assert driver.record(probe, GOOD).route_change == "opened"
    assert [driver.claim().route for _ in range(3)] == [probe.route] * 3
    assert still_queued(driver, waiting) == 0


def test_successful_probe_wakes_a_dialer(
    driver: StoreDriver, waiting: list[Verification], redis: Redis
) -> None:
    probe, _ = claim_probes(driver)
    driver.seconds_until_due()
    redis.delete(Keys().of("wake"))
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    assert redis.llen(Keys().of("wake"))
    assert waiting


def test_call_that_ended_while_waiting_is_not_dialed(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    driver.seconds_until_due()
    driver.cancel(waiting[2])
    driver.approve(waiting[3])
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    dialed = {probe, driver.claim(), driver.claim()}
    assert {claim.verification_id for claim in dialed} == {waiting[n].id for n in (0, 1, 4)}
    assert driver.seconds_until_due() == -1


def test_waiting_call_expires_15_seconds_before_its_code(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """Its verification may still be approved."""
    held = create_waiting(driver, numbers, 5, ttl=60)
    for pause in (10, 20):
        assert driver.seconds_until_due() == pause
        driver.advance_time(pause)
        refuse_probes(driver)
    assert still_queued(driver, held) == 1
    assert driver.seconds_until_due() <= 16
    driver.advance_time(16)
    assert driver.seconds_until_due() == -1
    (late,) = [v for v in map(driver.get, held) if v.calls[0].status is CallStatus.EXPIRED]
    assert (late.calls[0].reason, late.calls[0].sent_at) == (CallReason.TOO_LATE, None)
    assert late.status is Status.PENDING


def test_calls_that_wait_for_a_route_are_not_overdue(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    for pause in (10, 20):
        driver.advance_time(pause)
        refuse_probes(driver)
        driver.seconds_until_due()
    driver.advance_time(39)
    assert still_queued(driver, waiting) == 1
    assert driver.try_create(call_after=10).outcome == "created"


def test_more_than_100_waiting_calls_are_all_released(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    create_waiting(driver, numbers, 120)
    while driver.store.claim(200) == 0:
        pass
    assert driver.seconds_until_due() == FIRST_PAUSE
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    found = 0
    while not isinstance(driver.store.claim(200), int):
        found += 1
    assert found == 119


@pytest.mark.parametrize("result", [DOWN, BAD])
def test_pause_doubles_up_to_60_seconds(
    driver: StoreDriver, numbers: ManyNumbers, result: CallResult
) -> None:
    """10, 20, 40 and then 60."""
    create_waiting(driver, numbers, 11, ttl=600)
    pauses = []
    for _ in range(5):
        pauses.append(driver.seconds_until_due())
        driver.advance_time(pauses[-1])
        refuse_probes(driver, result)
    assert pauses == [10, 20, 40, 60, 60]


def test_successful_probe_resets_pause_and_failures(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    create_waiting(driver, numbers, 5)
    driver.advance_time(FIRST_PAUSE)
    refuse_probes(driver)
    driver.advance_time(20)
    for probe in [driver.claim() for _ in BOTH]:
        driver.mark_sent(probe)
        assert driver.record(probe, GOOD).route_change == "opened"
    driver.dial(BAD)
    assert closed_routes(driver) == ()
    create_waiting(driver, numbers, 1)
    assert driver.seconds_until_due() == FIRST_PAUSE


def test_probe_of_killed_dialer_is_followed_by_another(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """After its lease."""
    lost = claim_probes(driver)
    driver.advance_time(LEASE - 1)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    assert {driver.claim().route for _ in lost} == set(BOTH)
    assert waiting


def test_released_probe_is_claimed_again_at_once(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    first, second = claim_probes(driver)
    assert driver.record(first, GIVEN_BACK).status is CallStatus.QUEUED
    again = driver.claim()
    assert again.route == first.route
    assert driver.seconds_until_due() == LEASE
    driver.mark_sent(second)
    driver.record(second, GIVEN_BACK)
    assert driver.claim().route == second.route
    assert waiting


def test_opened_route_does_not_shorten_the_providers_pause(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    backs_off, good = claim_probes(driver)
    driver.mark_sent(backs_off)
    driver.record(backs_off, replace(GIVEN_BACK, is_refused=True, retry_in_ms=30_000))
    driver.mark_sent(good)
    assert driver.record(good, GOOD).route_change == "opened"
    claimed = {driver.claim().call_id for _ in waiting[2:]}
    assert backs_off.call_id not in claimed
    assert driver.seconds_until_due() == 30


def test_canceled_probe_is_followed_by_another(driver: StoreDriver, numbers: ManyNumbers) -> None:
    """After its lease."""
    numbers.close_routes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    for route in BOTH:
        unwanted = numbers.create(route)
        claim = driver.claim()
        driver.cancel(unwanted)
        assert not driver.mark_sent(claim)
    numbers.create()
    assert driver.seconds_until_due() <= LEASE
    driver.advance_time(LEASE)
    assert driver.claim().route == "obd"


def test_late_accepted_call_opens_the_route(driver: StoreDriver, numbers: ManyNumbers) -> None:
    numbers.create()
    slow = driver.claim()
    driver.mark_sent(slow)
    numbers.close_routes("obd")
    assert driver.record(slow, GOOD).route_change == "opened"
    assert closed_routes(driver) == ()
