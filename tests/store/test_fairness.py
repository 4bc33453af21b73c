"""``live_calls`` is shared: no client's backlog delays another client's calls."""

from collections import Counter

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import LIVE_FOR_S, RAVI, StoreDriver
from store.limit_cases import NO_GAP, far_numbers

from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult, Claim

CAP = 6


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver without limits except ``live_calls``."""
    return driver_with_limits(redis, gaps=NO_GAP)


def queues(driver: StoreDriver, client: str, count: int, first: int) -> None:
    """Queue due calls of a client, each to another number."""
    for n in range(first, first + count):
        driver.create(far_numbers(n), client=client)


def dials(driver: StoreDriver, at_most: int = 1000) -> list[Claim]:
    """Dial what the bound allows, in the store's order."""
    claims: list[Claim] = []
    while len(claims) < at_most and isinstance(claim := driver.store.claim(CAP), Claim):
        assert driver.mark_sent(claim)
        driver.record(claim, CallResult(CallStatus.PLACED))
        claims.append(claim)
    return claims


def ends(driver: StoreDriver, claim: Claim) -> None:
    """End a live call."""
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)


def test_one_client_alone_uses_all_live_calls(driver: StoreDriver) -> None:
    queues(driver, "login", 2 * CAP, 0)
    assert len(dials(driver)) == CAP
    assert isinstance(driver.store.claim(CAP), int)


def test_freed_live_call_goes_to_the_client_with_fewer(driver: StoreDriver) -> None:
    """Although the first client's backlog is older."""
    queues(driver, "login", 30, 0)
    live = dials(driver)
    driver.advance_time(1)
    queues(driver, "bank", 30, 100)
    given = []
    for claim in live:
        ends(driver, claim)
        given += [each.client for each in dials(driver)]
    assert given[:3] == ["bank"] * 3
    assert Counter(given) == {"bank": 3, "login": 3}


def test_due_calls_of_three_clients_share_the_live_calls(driver: StoreDriver) -> None:
    """A third each, whatever their backlog."""
    for n, (client, count) in enumerate([("login", 50), ("bank", 9), ("shop", 2)]):
        queues(driver, client, count, 100 * n)
        driver.advance_time(0.01)
    assert Counter(claim.client for claim in dials(driver)) == {
        "login": 2, "bank": 2, "shop": 2
    }  # fmt: skip


def test_client_with_few_calls_leaves_its_share_to_others(driver: StoreDriver) -> None:
    """Idle capacity is used."""
    queues(driver, "login", 50, 0)
    queues(driver, "shop", 1, 100)
    assert Counter(claim.client for claim in dials(driver)) == {"login": CAP - 1, "shop": 1}


def test_calls_of_one_client_are_dialed_as_they_are_due(driver: StoreDriver) -> None:
    due: list[str] = []
    for n in range(4):
        due.append(driver.create(far_numbers(n)).id)
        driver.create(far_numbers(50 + n), client="bank")
        driver.advance_time(0.01)
    found = [claim.verification_id for claim in dials(driver) if claim.client == "login"]
    assert found == due[: len(found)]


@pytest.mark.parametrize("call_after", [0, 100])
def test_backlog_of_one_client_refuses_its_own_creates_only(
    driver: StoreDriver, call_after: int
) -> None:
    """Another client's next call gets the next free live call."""
    queues(driver, "login", 20, 0)
    dials(driver)
    driver.advance_time(61)
    refused = driver.try_create(far_numbers(99), call_after=call_after)
    assert refused.outcome == "over_capacity"
    taken = driver.try_create(far_numbers(99), client="bank", call_after=call_after)
    assert taken.outcome == "created"


def test_live_calls_that_ended_by_time_leave_the_share(driver: StoreDriver) -> None:
    """A call without a report counts while it may be live."""
    queues(driver, "login", 3, 0)
    dials(driver)
    driver.advance_time(LIVE_FOR_S + 1)
    queues(driver, "bank", 1, 50)
    dials(driver)
    queues(driver, "login", 1, 100)
    queues(driver, "bank", 1, 200)
    assert [claim.client for claim in dials(driver, 1)] == ["login"]


def test_call_that_was_requeued_or_retried_leaves_the_share(driver: StoreDriver) -> None:
    """It is not live."""
    queues(driver, "bank", 1, 50)
    driver.dial()
    queues(driver, "login", 2, 0)
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=20_000))
    driver.claim()
    driver.advance_time(21)
    driver.advance_time(0.01)
    queues(driver, "bank", 1, 60)
    assert [claim.client for claim in dials(driver, 2)] == ["login"] * 2


def test_claim_of_many_clients_costs_no_more_than_a_few_commands_each(
    driver: StoreDriver, redis: Redis
) -> None:
    """Whatever the length of their backlogs."""

    def commands() -> int:
        return sum(each["calls"] for each in redis.info("commandstats").values())

    def cost_of_a_claim() -> int:
        before = commands()
        assert dials(driver, 1)
        return commands() - before

    queues(driver, "login", 10, 0)
    few = cost_of_a_claim()
    queues(driver, "login", 300, 1000)
    for n in range(30):
        driver.create(far_numbers(2000 + n), client=f"client {n}", call_after=100)
    assert cost_of_a_claim() <= few + 3


def test_quarantined_call_does_not_advance_the_next_one(driver: StoreDriver, redis: Redis) -> None:
    """The next call of its client is not dialed early."""
    damaged, later = driver.create(), driver.create(RAVI, call_after=100)
    redis.hset(f"{{otpvoice}}:call:{driver.last_call(damaged).id}", "status", "ringing")
    assert driver.seconds_until_due() == 100
    driver.advance_time(100)
    assert driver.claim().verification_id == later.id
