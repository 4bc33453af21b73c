"""The lock of a number, which calls of two companies share: each company has lines of its own."""

from typing import Any

import pytest
from redis import Redis
from store.driver import PLACED, StoreDriver
from store.new_verifications import NUMBERS
from support.service import ASHA, BRIDGE

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult, Claim, ReportOutcome, RouteHealth
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

LINE = "12025550100"
POLICY = StorePolicy(routes=("obd", "abroad"), route_lines={"abroad": CallerLines((LINE,))})
"""The first company calls from the client's own line."""
ORDERS = (("obd", "abroad"), ("abroad", "obd"), ("abroad", "abroad"))
UNKNOWN = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver of two companies. Calls to a number follow without a gap."""
    return StoreDriver(RedisStore(redis, policy=POLICY), gaps=(0,))


def dial(driver: StoreDriver, result: CallResult = PLACED) -> Claim:
    """Place the next due call over the line of its company."""
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.record(claim, result)
    return claim


def locks(driver: StoreDriver) -> set[str]:
    """Return what follows ``number_lock`` in the names of the keys, with the lines only."""
    found = driver.store.redis.scan_iter("{otpvoice}:number_lock:*")
    names = {key.decode().removeprefix("{otpvoice}:number_lock:") for key in found}
    return {name.replace(NUMBERS.hash(ASHA), "number") for name in names}


@pytest.mark.parametrize(("first", "second"), ORDERS)
@pytest.mark.parametrize("result", [None, PLACED, UNKNOWN], ids=["dialing", "placed", "unknown"])
def test_number_is_locked_for_the_other_company_until_the_call_ends(
    driver: StoreDriver, first: str, second: str, result: CallResult | None
) -> None:
    """Whatever the status of the live call, and whichever company calls first."""
    driver.create(route=first)
    live = driver.claim()
    if result:
        assert driver.mark_sent(live)
        driver.record(live, result)
    driver.create(route=second, client="bank")
    assert driver.seconds_until_due() > 0
    if result is None:
        assert driver.mark_sent(live)
        driver.record(live, PLACED)
        assert driver.seconds_until_due() > 0
    driver.apply_callback(CallStatus.BUSY, call_id=live.call_id)
    following = dial(driver)
    assert (following.client, following.route) == ("bank", second)
    driver.apply_callback(CallStatus.BUSY, call_id=following.call_id)
    assert locks(driver) == set()


@pytest.mark.parametrize(("first", "second"), ORDERS)
def test_number_is_free_when_a_call_can_ring_no_longer(
    driver: StoreDriver, first: str, second: str
) -> None:
    """Its late end does not release the lock of the call that rings now."""
    driver.create(route=first, ttl=600)
    forgotten = dial(driver, UNKNOWN)
    driver.create(route=second, client="bank", ttl=600)
    assert driver.seconds_until_due() > 0
    driver.advance_time(166)
    live = dial(driver)
    assert live.client == "bank"
    driver.create(client="shop", ttl=600)
    late = driver.apply_callback(CallStatus.NO_ANSWER, call_id=forgotten.call_id)
    assert late.call_status is CallStatus.NO_ANSWER
    assert driver.seconds_until_due() > 0
    driver.apply_callback(CallStatus.BUSY, call_id=live.call_id)
    assert dial(driver).client == "shop"


@pytest.mark.parametrize(
    ("route", "line", "other"), [("obd", BRIDGE, LINE), ("abroad", LINE, BRIDGE)]
)
def test_lock_names_the_line_that_calls(
    driver: StoreDriver, route: str, line: str, other: str
) -> None:
    """A report without an id, over the client's own line, is not about a call of the company."""
    begun = driver.create(route=route)
    dial(driver)
    assert locks(driver) == {"number", f"{line}:number"}
    report: dict[str, Any] = {"has_bridge": True, "started_at": driver.last_call(begun).sent_at}
    assert driver.apply_callback(bridges=(other,), **report).outcome is ReportOutcome.NO_CALL
    assert driver.apply_callback(bridges=(line,), **report).call_status is CallStatus.ANSWERED


@pytest.mark.parametrize(("first", "second"), [("obd", "abroad"), ("abroad", "obd")])
def test_refused_call_releases_the_lock_for_the_next(
    driver: StoreDriver, first: str, second: str
) -> None:
    """The call that follows it and one of another client ring one after the other."""
    begun = driver.create(route=first)
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.create(route=first, client="bank")
    refused = CallResult(
        CallStatus.FAILED,
        CallReason.REFUSED,
        is_unsent=True,
        next_route=second,
        route_health=RouteHealth.BAD,
    )
    driver.record(claim, refused)
    assert locks(driver) == set()
    claims = [driver.claim()]
    assert driver.seconds_until_due() > 0
    assert driver.mark_sent(claims[0])
    driver.record(claims[0], PLACED)
    driver.apply_callback(CallStatus.BUSY, call_id=claims[0].call_id)
    claims.append(driver.claim())
    assert {each.client for each in claims} == {"login", "bank"}
    assert [call.route for call in driver.get(begun).calls] == [first, second]
