"""What operators see and do: explain, overview, clear and find; and that the log is told."""

import pytest
from redis import Redis
from store.driver import (
    NUMBERS,
    RAVI,
    StoreDriver,
    driver_with_limits,
    number_identity,
    parse_quotas,
)
from store.limit_cases import (
    CASES,
    GENEROUS,
    NO_GAP,
    Case,
    far_numbers,
    refusing,
    stored,
)
from support.service import ASHA

from otpvoice.core.limits import LIMITS, parse_ratio
from otpvoice.core.verification import CallStatus, Route, Status
from otpvoice.store.admin import LimitUsage
from otpvoice.store.models import CallResult, RouteHealth

PHONE = number_identity(ASHA)
FREED = {"calls_per_number", "all_calls_per_number", "unverified_per_prefix"}


def told(driver: StoreDriver, event: str) -> list[dict[str, object]]:
    """What the log was told of such an event."""
    driver.sweep()
    return [dict(notice.details) for notice in driver.audit_entries if notice.event == event]


# Explain and overview ----------------------------------------------------------------------------


def test_explain_shows_every_limit_of_a_number(redis: Redis) -> None:
    """How many count and, where it refuses, until when: the moment that a refusal names."""
    driver = driver_with_limits(
        redis, gaps=(60,), **GENEROUS | {"calls_per_number": parse_quotas("1/10m")}
    )
    driver.create()
    driver.dial_busy()
    seen = driver.explain()
    refused = driver.try_create(client="bank")
    uses = {(use.client, use.limit): use for use in seen.limits}
    assert (
        abs(uses[None, "calls_per_number"].blocked_until - seen.now - refused.retry_after_ms)
        < 5_000
    )
    assert {key: (use.used, bool(use.blocked_until)) for key, use in uses.items()} == {
        (None, "calls_per_number"): (1, True),
        (None, "all_calls_per_number"): (1, False),
        (None, "wrong_codes_per_number"): (0, False),
        (None, "unverified_per_prefix 90/10m"): (1, False),
        (None, "unverified_per_prefix 95/24h"): (1, False),
        (None, "calls_per_day"): (1, False),
        ("login", "calls_per_client"): (1, False),
        ("login", "creates_per_client"): (1, False),
        ("login", "pending_per_number"): (1, False),
        ("login", "calls_per_day"): (1, False),
        (None, "conversion_breaker"): (0, False),
        (None, "block"): (0, False),
    }
    assert 55_000 <= seen.gap_until - seen.now <= 60_000
    assert seen.blocked_until == 0


def test_explain_and_overview_change_nothing(redis: Redis) -> None:
    """Not even for a number that nobody knows."""
    driver = driver_with_limits(redis, **GENEROUS)
    before = stored(redis)
    driver.explain()
    driver.admin.overview()
    assert stored(redis) == before


def test_overview_shows_what_many_share(redis: Redis) -> None:
    """Clients and the day, calls and dialers, and which routes are closed."""
    driver = driver_with_limits(redis, gaps=NO_GAP, **GENEROUS | {"calls_per_day": 3})
    driver.create(far_numbers(0))
    driver.dial()
    driver.create(far_numbers(1))
    down = CallResult(CallStatus.UNKNOWN, route_health=RouteHealth.DOWN)
    driver.dial(down)
    driver.create(far_numbers(2), client="bank", call_after=100)
    seen = driver.admin.overview()
    day, *others = seen.limits
    assert (day.client, day.limit, day.used) == (None, "calls_per_day", 3)
    assert day.blocked_until > seen.now
    assert others == [
        LimitUsage("login", "calls_per_client", 2, 0),
        LimitUsage("login", "calls_per_day", 2, 0),
        LimitUsage("login", "creates_per_client", 2, 0),
    ]
    assert (seen.live_calls, seen.queued_calls, seen.dialers) == (2, 1, 1)
    assert seen.closed_routes == (Route.OBD,)
    assert not any(seen.refused.values())
    assert seen.open_breakers == ()


def test_overview_knows_every_limit_that_refuses(redis: Redis) -> None:
    """Each has a count, also while nothing was refused."""
    driver = driver_with_limits(redis)
    assert driver.admin.overview().refused.keys() == LIMITS.keys()


# Clear -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_clear_frees_a_number_its_prefix_and_its_area(redis: Redis, case: Case) -> None:
    """And from no limit that it shares with strangers: not of an address, a client or a day."""
    driver = case.allows(redis)
    to = case.request(0).get("to", ASHA)
    begun = case.create(driver)
    driver.dial()
    driver.apply_callback(CallStatus.BUSY, call_id=begun.calls[0].id, to=to)
    driver.admin.clear(number_identity(to), "root")
    assert case.is_full(driver) is (case.setting not in FREED)


def test_clear_frees_from_gap_guesses_and_breaker(redis: Redis) -> None:
    """All that could keep one person from being called."""
    driver = driver_with_limits(
        redis,
        gaps=(4_000,),
        wrong_codes_per_number=parse_quotas("2/1h", "4/24h"),
        conversion_breaker=parse_ratio("15%/1h"),
    )
    for n in range(20):
        begun = driver.create(f"+919876{n:06}")
        placed = driver.dial()
        driver.apply_callback(CallStatus.ANSWERED, call_id=placed.call_id)
        if n == 19:
            for code in ("999991", "999992"):
                driver.check(begun, code)
        driver.cancel(begun)
    last = f"+919876{19:06}"
    assert driver.try_create(last).outcome == "call_gap"
    assert refusing(driver.try_create(ASHA)) == "conversion_breaker"
    driver.admin.clear(number_identity(last), "root")
    freed = driver.try_create(last)
    assert freed.outcome == "created"
    assert driver.explain(last).gap_until == 0
    assert driver.try_create(ASHA).outcome == "created"


def test_clear_leaves_what_is_under_way(redis: Redis) -> None:
    """A call that is queued then is dialed, and takes its places anew."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("1/1h"))
    driver.create()
    driver.admin.clear(PHONE, "root")
    driver.dial_busy()
    assert refusing(driver.try_create(client="bank")) == "calls_per_number"


def test_clear_of_a_number_that_nobody_knows_does_nothing(redis: Redis) -> None:
    """Nothing is left by it but the word in the log."""
    driver = driver_with_limits(redis, **GENEROUS)
    before = stored(redis)
    driver.admin.clear(PHONE, "root")
    assert stored(redis).keys() - before.keys() == {b"{otpvoice}:audit_log"}
    assert told(driver, "limits.cleared") == [
        {"number": NUMBERS.hash(ASHA), "to": "+91******3210", "operator": "root"}
    ]


# Find --------------------------------------------------------------------------------------------


def test_find_by_number_reference_and_id(redis: Redis) -> None:
    """Whatever client they belong to, as they stand, the newest first; another's are not there."""
    driver = driver_with_limits(redis, gaps=NO_GAP)
    first = driver.create(reference="login-81")
    driver.advance_time(1)
    second = driver.create(client="bank", reference="login-81")
    driver.create(RAVI, reference="login-82")
    driver.approve(first)
    operations, reference = driver.admin, NUMBERS.hash_attribute("reference", "login-81")
    by_number = operations.find_by_number(PHONE, "root")
    assert [each.id for each in by_number] == [second.id, first.id]
    assert [each.status for each in by_number] == [Status.PENDING, Status.APPROVED]
    by_reference = operations.find_by_reference(reference, "root")
    assert [each.id for each in by_reference] == [second.id, first.id]
    assert [each.id for each in operations.find_by_id(first.id, "root")] == [first.id]


def test_find_ends_what_is_over(redis: Redis) -> None:
    """Nobody looked at it since its life was over."""
    driver = driver_with_limits(redis)
    begun = driver.create()
    driver.advance_time(301, dialer=None)
    [found] = driver.admin.find_by_number(PHONE, "root")
    assert (found.id, found.status) == (begun.id, Status.EXPIRED)


def test_find_nothing(redis: Redis) -> None:
    """An empty list, and the log knows that somebody looked."""
    driver = driver_with_limits(redis)
    operations = driver.admin
    assert operations.find_by_number(PHONE, "root") == []
    assert operations.find_by_reference("no such name", "root") == []
    assert operations.find_by_id("vrf_0", "root") == []
    searches = told(driver, "operator.searched")
    assert [search["query"] for search in searches] == ["+91******3210", "a reference", "vrf_0"]
    assert all((search["results"], search["operator"]) == (0, "root") for search in searches)


def test_the_newest_twenty_are_found(redis: Redis) -> None:
    """Of a number, and of a reference."""
    driver = driver_with_limits(redis, gaps=NO_GAP)
    ids = []
    for n in range(25):
        begun = driver.create(reference="one", client=f"client {n}")
        ids.append(begun.id)
        driver.advance_time(0.01)
    newest = ids[:4:-1]
    operations = driver.admin
    reference = NUMBERS.hash_attribute("reference", "one")
    for found in (
        operations.find_by_number(PHONE, "root"),
        operations.find_by_reference(reference, "root"),
    ):
        assert [each.id for each in found] == newest
