"""Every limit of calls: it counts, refuses with a retry time, and otherwise changes nothing."""

from collections.abc import Mapping
from typing import Any

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import StoreDriver
from store.limit_cases import (
    ADDRESS,
    CASES,
    GENEROUS,
    NO_GAP,
    PER_IP,
    PER_NUMBER,
    PER_PREFIX,
    Case,
    limit_usage,
    refusing,
    stored,
)
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallStatus, NextAction, NextReason

each_limit = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
each_but_the_prefix = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case is not PER_PREFIX]
)
"""A number that is in its prefix already needs no place there."""


# Refused ------------------------------------------------------------------------------------------


@each_limit
def test_limit_refuses_at_its_count(redis: Redis, case: Case) -> None:
    """Under the setting's name, for about the window."""
    driver = case.allows(redis, 3)
    for n in range(3):
        case.create(driver, n)
    wait = case.refuses(driver)
    assert case.window - 5 <= wait <= case.window + case.bucket


@pytest.mark.parametrize(
    ("case", "limits"),
    [
        (case, {case.setting: parse_quotas("1/1h", "5/24h")})
        for case in (PER_NUMBER, CASES["every call"], PER_PREFIX, PER_IP)
    ]
    + [(CASES["client"], {"clients": {"login": ClientLimits(parse_quotas("1/1h", "5/24h"))}})],
)
def test_limit_with_several_windows_names_the_refusing_one(
    redis: Redis, case: Case, limits: Mapping[str, Any]
) -> None:
    driver = driver_with_limits(redis, gaps=NO_GAP, **limits)
    case.create(driver)
    answer = driver.try_create(**case.request(1))
    assert refusing(answer) == f"{case.setting} 1/1h"


@each_limit
def test_limit_allows_one_call_at_its_retry_time(redis: Redis, case: Case) -> None:
    """A second earlier it still refuses."""
    driver = case.allows(redis, 2)
    for n in range(2):
        case.create(driver, n)
        driver.dial_busy(to=case.request(n).get("to", ASHA))
        driver.advance_time(2 * case.bucket + 10)
    driver.advance_time(case.refuses(driver) - 1)
    driver.advance_time(case.refuses(driver))
    case.create(driver, 2)
    case.refuses(driver)


@each_but_the_prefix
def test_limit_refuses_call_request(redis: Redis, case: Case) -> None:
    """The verification stays pending; `next` shows why and until when."""
    driver = case.allows(redis, 2)
    begun = case.create(driver, ttl=600)
    driver.dial_busy(to=case.request(0).get("to", ASHA))
    case.create(driver, 1)
    answer = driver.request_call(begun)
    assert refusing(answer) == case.setting
    assert answer.verification
    step = answer.verification.next_call()
    assert step == NextAction(
        allowed=False, reason=NextReason.RATE_LIMITED, at=answer.verification.limit_until
    )
    assert step.at == answer.verification.now + answer.retry_after_ms
    assert driver.check(begun, CODE).outcome == "right"


def test_full_prefix_refuses_call_request_and_redial(redis: Redis) -> None:
    """After the number has left the prefix."""
    driver = driver_with_limits(
        redis, gaps=NO_GAP, policy={"max_redials": 1}, unverified_per_prefix=parse_quotas("2/1m")
    )
    begun = PER_PREFIX.create(driver, ttl=600)
    placed = driver.dial()
    driver.advance_time(61)
    for n in (1, 2):
        PER_PREFIX.create(driver, n)
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id)
    assert len(driver.get(begun).calls) == 1
    assert refusing(driver.request_call(begun)) == "unverified_per_prefix"


@each_but_the_prefix
def test_limit_prevents_redial_without_a_refusal(redis: Redis, case: Case) -> None:
    """Nothing is used."""
    driver = case.allows(redis, 2, max_redials=1)
    begun = case.create(driver)
    placed = driver.dial()
    case.create(driver, 1)
    to = case.request(0).get("to", ASHA)
    before = limit_usage(driver, to)
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id, to=to)
    assert len(driver.get(begun).calls) == 1
    assert limit_usage(driver, to) == before
    assert not driver.explain(to).refusals


@each_limit
def test_redial_reserves_capacity(redis: Redis, case: Case) -> None:
    """In a prefix the number is counted already."""
    driver = case.allows(redis, 2, max_redials=1)
    begun = case.create(driver)
    driver.dial_busy(to=case.request(0).get("to", ASHA))
    assert len(driver.get(begun).calls) == 2
    assert case.is_full(driver) is (case is not PER_PREFIX)


# All or none --------------------------------------------------------------------------------------


def with_room_elsewhere(redis: Redis, case: Case) -> StoreDriver:
    """Return a driver with one call in this limit and room in all others."""
    return driver_with_limits(redis, gaps=NO_GAP, **GENEROUS | dict(case.limits(1)))


@each_limit
def test_refused_create_changes_nothing_but_refusals(redis: Redis, case: Case) -> None:
    driver = with_room_elsewhere(redis, case)
    case.create(driver)
    before = stored(redis)
    for n in (1, 2):
        case.refuses(driver, n, ip=ADDRESS, reference="login-81")
    assert stored(redis) == before


@each_but_the_prefix
def test_refused_call_request_changes_nothing_but_refusals(redis: Redis, case: Case) -> None:
    """Likewise a redial that is not allowed."""
    driver = with_room_elsewhere(redis, case)
    begun = case.create(driver)
    driver.dial_busy(to=case.request(0).get("to", ASHA))
    before = stored(redis)
    assert refusing(driver.request_call(begun)) == case.setting
    assert stored(redis) == before


@each_limit
def test_repeated_create_and_call_request_reserve_nothing(redis: Redis, case: Case) -> None:
    """The call is queued already."""
    driver = with_room_elsewhere(redis, case)
    begun = case.create(driver)
    before = limit_usage(driver)
    assert driver.try_create(**case.request(0)).outcome == "existing"
    assert driver.request_call(begun).outcome == "coming"
    assert limit_usage(driver) == before
