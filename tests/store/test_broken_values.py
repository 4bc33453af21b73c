"""Any value of any record may be broken: no function fails, and every key still expires.

``OTPVOICE_TEST_BROKEN_VALUES`` sets another number of rounds.
"""

import os
import random
from collections.abc import Callable
from typing import Final

import pytest
from redis import Redis
from store import by_number
from store.builders import driver_with_limits
from store.driver import PLACED, StoreDriver, number_identity
from store.expiry import wrongly_endless
from store.limit_cases import GENEROUS
from store.new_verifications import CODE, new_call
from store.quarantine_cases import PREFIX, quarantine_driver
from support.service import ASHA

from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import Claim

ROUNDS: Final = int(os.environ.get("OTPVOICE_TEST_BROKEN_VALUES", "60"))
VALUES: Final = (
    *("", "x", "+", "-1", "nan", "inf", "1e5", "9" * 14, "9" * 15, "9" * 19, b"\xff\xfe", " "),
    *("a b", "vrf_", "0", "1", "pending", "a" * 70),
)
PHONE: Final = number_identity(ASHA)


def begin(driver: StoreDriver, rng: random.Random) -> list[Verification]:
    """Create some verifications of one number, and place some of their calls."""
    begun = []
    for n in range(rng.randint(1, 3)):
        driver.advance_time(rng.choice([0.1, 1, 70]))
        result = driver.try_create(
            reference=rng.choice([None, "one", ""]),
            client=rng.choice(["login", "bank"]),
            own_code=n == 1,
            ip="49.36.0.9",
        )
        begun += [result.verification] if result.verification else []
        claim = driver.store.claim(200) if n != 1 else 0
        if isinstance(claim, Claim) and driver.mark_sent(claim):
            driver.record(claim, PLACED)
    return begun


def break_something(redis: Redis, rng: random.Random) -> str:
    """Break one field, or one key that has none. Return which."""
    records = sorted(
        redis.scan_iter(f"{PREFIX}[cnv]*:*")
    )  # calls, counters, numbers, verifications
    key = rng.choice(records if rng.random() < 0.8 else sorted(redis.scan_iter()))
    if redis.type(key) != b"hash":
        redis.set(key, rng.choice(VALUES), ex=1000)
        return str(key)
    field = rng.choice(sorted(redis.hkeys(key)))
    if rng.random() < 0.15:
        redis.hdel(key, field)
    else:
        redis.hset(key, field, rng.choice(VALUES))
    return f"{key!r} {field!r}"


def actions(
    driver: StoreDriver, begun: Verification, rng: random.Random
) -> list[Callable[[], object]]:
    """Return what clients, dialers, the provider and operators may do next, in any order."""
    of, store, admin = begun.client, driver.store, driver.admin
    each: list[Callable[[], object]] = [
        lambda: by_number.look_up(driver, of),
        lambda: by_number.check(driver, "999999", of),
        lambda: by_number.check(driver, CODE, of, reference="one"),
        lambda: by_number.approve(driver, of, reference=""),
        lambda: store.get(begun.id, of),
        lambda: store.check(begun.id, of, 6, driver.ring.digests("check", begun.id, CODE)),
        lambda: store.request_call(begun.id, of, new_call(None)),
        driver.try_create,
        lambda: driver.try_create(reference="one", code="777777", own_code=True),
        lambda: driver.apply_callback(CallStatus.ANSWERED, call_id=begun.calls[0].id),
        *(lambda: driver.advance_time(rng.choice([1, 25, 400])) for _ in range(2)),
        lambda: store.claim(200),
        lambda: store.claim_events({"login": 3}),
        lambda: admin.find_by_number(PHONE, "operator"),
        lambda: admin.block(PHONE, 60, "operator"),
        lambda: admin.clear(PHONE, "operator"),
        lambda: admin.forget(PHONE, "operator"),
        driver.explain,
    ]
    rng.shuffle(each)
    return each


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_broken_values_stop_nothing(redis: Redis, seed: int) -> None:
    """The store works on, whatever happens next."""
    rng = random.Random(seed)
    driver = quarantine_driver(redis) if seed % 3 else driver_with_limits(redis, **GENEROUS)
    begun = begin(driver, rng)
    broken = [break_something(redis, rng) for _ in range(4)]
    for act in actions(driver, begun[-1], rng):
        act()
        assert not wrongly_endless(redis), broken
