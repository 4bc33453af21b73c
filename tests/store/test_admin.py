"""Operators' functions: explain, overview, clear and find, and their audit log."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver, number_identity
from store.limit_cases import (
    CASES,
    GENEROUS,
    NO_GAP,
    Case,
    far_numbers,
    refusing,
    stored,
)
from store.new_verifications import NUMBERS
from support.service import ASHA

from otpvoice.core.limits import LIMITS, LimitStatus, parse_ratio
from otpvoice.core.verification import CallStatus, Status
from otpvoice.store.models import CallResult, RouteHealth

PHONE = number_identity(ASHA)
FREED = {"calls_per_number", "all_calls_per_number", "unverified_per_prefix"}


def audited(driver: StoreDriver, event: str) -> list[dict[str, object]]:
    """Return the details of this event in the audit log."""
    driver.sweep()
    return [dict(notice.details) for notice in driver.audit_entries if notice.event == event]


# Explain and overview -----------------------------------------------------------------------------


def test_explain_shows_every_limit_of_a_number(redis: Redis) -> None:
    """Each limit has its count and, if it refuses, the retry time of the refusal."""
    driver = driver_with_limits(
        redis, gaps=(60,), **GENEROUS | {"calls_per_number": parse_quotas("1/10m")}
    )
    driver.create()
    driver.dial_busy()
    seen = driver.explain()
    refused = driver.try_create(client="bank")
    uses = {(use.client, use.limit): use for use in seen.limits}
    assert (
        abs(uses[None, "calls_per_number"].until_ms - seen.now_ms - refused.retry_after_ms) < 5_000
    )
    assert {key: (use.used, bool(use.until_ms)) for key, use in uses.items()} == {
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
    assert 55_000 <= seen.gap_until_ms - seen.now_ms <= 60_000
    assert seen.blocked_until_ms == 0


def test_explain_and_overview_change_nothing(redis: Redis) -> None:
    """Also for an unknown number."""
    driver = driver_with_limits(redis, **GENEROUS)
    before = stored(redis)
    driver.explain()
    driver.admin.overview()
    assert stored(redis) == before


def test_overview_shows_shared_limits_calls_dialers_and_routes(redis: Redis) -> None:
    """Clients, the day, calls and dialers, and closed routes."""
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
    assert day.until_ms > seen.now
    assert others == [
        LimitStatus("login", "calls_per_client", 2, 99, 0),
        LimitStatus("login", "calls_per_day", 2, 99, 0),
        LimitStatus("login", "creates_per_client", 2, 999, 0),
    ]
    assert (seen.live_calls, seen.queued_calls, seen.dialers) == (2, 1, 1)
    assert seen.closed_routes == ("obd",)
    assert not any(seen.refused.values())
    assert seen.open_breakers == ()


def test_overview_counts_refusals_of_every_limit(redis: Redis) -> None:
    """Each limit has a count, also before its first refusal."""
    driver = driver_with_limits(redis)
    assert driver.admin.overview().refused.keys() == LIMITS.keys()


# Clear --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_clear_resets_number_prefix_and_area(redis: Redis, case: Case) -> None:
    """Limits of an address, a client or the day stay."""
    driver = case.allows(redis)
    to = case.request(0).get("to", ASHA)
    begun = case.create(driver)
    driver.dial()
    driver.apply_callback(CallStatus.BUSY, call_id=begun.calls[0].id, to=to)
    driver.admin.clear(number_identity(to), "root")
    assert case.is_full(driver) is (case.setting not in FREED)


def test_clear_resets_gap_wrong_codes_and_breaker(redis: Redis) -> None:
    """Everything that can keep one user from being called."""
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
    assert driver.explain(last).gap_until_ms == 0
    assert driver.try_create(ASHA).outcome == "created"


def test_clear_keeps_queued_call(redis: Redis) -> None:
    """A queued call is dialed, and reserves capacity again."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("1/1h"))
    driver.create()
    driver.admin.clear(PHONE, "root")
    driver.dial_busy()
    assert refusing(driver.try_create(client="bank")) == "calls_per_number"


def test_clear_of_unknown_number_only_writes_the_audit_log(redis: Redis) -> None:
    """No key is created."""
    driver = driver_with_limits(redis, **GENEROUS)
    before = stored(redis)
    driver.admin.clear(PHONE, "root")
    assert stored(redis).keys() - before.keys() == {b"{otpvoice}:audit_log"}
    assert audited(driver, "limits.cleared") == [
        {"number": NUMBERS.hash(ASHA), "to": "+91******3210", "operator": "root"}
    ]


# Find ---------------------------------------------------------------------------------------------


def test_find_by_number_reference_and_id(redis: Redis) -> None:
    """Of every client, the newest first."""
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


def test_find_expires_verification_after_its_life(redis: Redis) -> None:
    """Also without a sweep."""
    driver = driver_with_limits(redis)
    begun = driver.create()
    driver.advance_time(301, dialer=None)
    [found] = driver.admin.find_by_number(PHONE, "root")
    assert (found.id, found.status) == (begun.id, Status.EXPIRED)


def test_find_without_match_is_audited(redis: Redis) -> None:
    """The list is empty, and the audit log has the search."""
    driver = driver_with_limits(redis)
    operations = driver.admin
    assert operations.find_by_number(PHONE, "root") == []
    assert operations.find_by_reference("no such name", "root") == []
    assert operations.find_by_id("vrf_0", "root") == []
    searches = audited(driver, "operator.searched")
    assert [search["query"] for search in searches] == ["+91******3210", "a reference", "vrf_0"]
    assert all((search["results"], search["operator"]) == (0, "root") for search in searches)


def test_find_returns_the_newest_twenty(redis: Redis) -> None:
    """By number and by reference."""
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
