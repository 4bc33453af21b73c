"""The wrong-code breaker: many wrong codes raise an alarm and reduce the checks."""

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import RAVI, StoreDriver
from store.limit_cases import NO_GAP
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import parse_ratio
from otpvoice.core.verification import Status
from otpvoice.store.models import AuditEntry

ELSEWHERE = "+919123456789"


def opened(driver: StoreDriver) -> list[AuditEntry]:
    """Return the audit entries of opened breakers."""
    driver.sweep()
    return [notice for notice in driver.audit_entries if notice.event == "breaker.opened"]


def guessed_at(redis: Redis, ratio: str = "60%/10m") -> StoreDriver:
    """Return a driver with this breaker as its only limit."""
    return driver_with_limits(redis, gaps=NO_GAP, wrong_code_breaker=parse_ratio(ratio))


def guesses(driver: StoreDriver, right: int, wrong: int) -> None:
    """Compare this many codes, each of its own number or ten of one."""
    for n in range(right):
        assert driver.check(driver.create(f"+9190{n:08}", own_code=True), CODE).outcome == "right"
    for n in range(wrong):
        to, tens = f"+9191{n // 4:08}", n % 4
        begun = driver.try_create(to, own_code=True, code=CODE).verification
        assert begun
        assert driver.check(begun, f"9{tens:05}").outcome == "wrong"


@pytest.mark.parametrize(
    ("right", "wrong", "alarmed"), [(0, 199, False), (80, 120, True), (81, 119, False)]
)
def test_wrong_codes_above_the_percentage_open_the_breaker(
    redis: Redis, right: int, wrong: int, alarmed: bool
) -> None:
    """Of 200 and more; it is logged once."""
    driver = guessed_at(redis)
    guesses(driver, right, wrong)
    reported = [notice.details for notice in opened(driver)]
    assert bool(reported) is alarmed
    if alarmed:
        [details] = reported
        assert details == {
            "breaker": "wrong_code_breaker", "open_for": 600, "checks": 200, "wrong": 120
        }  # fmt: skip
        guesses(driver, 0, 8)
        assert len(opened(driver)) == 1


def test_open_breaker_reduces_checks_of_new_verifications(redis: Redis) -> None:
    """Older ones keep theirs."""
    driver = guessed_at(redis)
    old = driver.create(ASHA, ttl=600)
    guesses(driver, 0, 200)
    assert driver.get(old).checks_left == 5
    for n, allowed, left in ((0, 5, 3), (1, 10, 3), (2, 3, 3), (3, 2, 2)):
        begun = driver.try_create(f"+919812{n:06}", max_checks=allowed).verification
        assert begun
        assert begun.checks_left == left
    begun = driver.create(ELSEWHERE, own_code=True)
    for n in range(3):
        driver.check(begun, f"9{n:05}")
    assert driver.get(begun).status is Status.MAX_ATTEMPTS_REACHED
    driver.advance_time(601)
    assert driver.create(RAVI).checks_left == 5


def test_open_breaker_refuses_nothing(redis: Redis) -> None:
    driver = guessed_at(redis)
    guesses(driver, 0, 200)
    assert driver.check(driver.create(ASHA, own_code=True), CODE).outcome == "right"


def test_repeated_wrong_code_does_not_count_for_the_breaker(redis: Redis) -> None:
    driver = guessed_at(redis)
    begun = driver.create_answered(ASHA)
    for _ in range(210):
        driver.check(begun, "999999")
    assert not opened(driver)


def test_wrong_code_breaker_off_counts_nothing(redis: Redis) -> None:
    driver = guessed_at(redis, "off")
    guesses(driver, 0, 200)
    assert not opened(driver)
    assert not list(redis.scan_iter("*:counter:*"))
