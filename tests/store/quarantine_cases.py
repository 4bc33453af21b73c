"""Broken records, and what a test of the quarantine looks at."""

import itertools

from redis import Redis
from store.builders import driver_with_limits
from store.driver import StoreDriver

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import CallResult, Quarantine

PREFIX = "{otpvoice}:"
_others = (f"+9198{n:08}" for n in itertools.count())


def quarantine_driver(redis: Redis) -> StoreDriver:
    """Return a driver with events for the client ``login`` and no limits of numbers."""
    open_limits = {"calls_per_number": (), "all_calls_per_number": (), "unverified_per_prefix": ()}
    rules = {"clients_with_events": frozenset({"login"})}
    clients = {"login": ClientLimits()}
    return driver_with_limits(redis, gaps=(0,), policy=rules, clients=clients, **open_limits)


def break_field(redis: Redis, key: str, field: str, value: str | bytes | None) -> None:
    """Write ``value`` into a record; None removes the field."""
    assert redis.exists(key), key
    if value is None:
        redis.hdel(key, field)
    else:
        redis.hset(key, field, value)


def quarantine_of(driver: StoreDriver) -> Quarantine:
    """Return the quarantine that operators see."""
    return driver.store.health().quarantine


def run_dialer(driver: StoreDriver) -> None:
    """Run everything that a dialer does, and call another number, while calls are due."""
    driver.sweep()
    other = driver.create(next(_others))
    for _ in range(20):
        driver.sweep()
        driver.due_status_queries()
        driver.store.claim_events({"login": 10})
        claim = driver.store.claim(200)
        if claim == 0:
            continue
        if isinstance(claim, int):
            break
        if claim.verification_id == other.id:
            assert driver.mark_sent(claim)
            driver.record(claim, CallResult(CallStatus.PLACED))
    assert driver.last_call(other).status is CallStatus.PLACED


def assert_reported_once(driver: StoreDriver, record: str) -> None:
    """Check that the record is listed, kept, counted and logged once."""
    for _ in range(3):
        run_dialer(driver)
        driver.advance_time(70)
    redis = driver.store.redis
    assert [each.record for each in quarantine_of(driver).records] == [record]
    logged = [each for each in driver.audit_entries if each.event == "record.quarantined"]
    assert [each.details["record"] for each in logged] == [record]
    assert redis.exists(f"{PREFIX}quarantined:{record}")
    assert quarantine_of(driver).quarantined == driver.admin.overview().quarantine.quarantined
    assert quarantine_of(driver).quarantined == 1


def assert_in_no_index(redis: Redis, record_id: str) -> None:
    """Check that no index contains the record."""
    for index in ("queue:login", "dialing", "live", "status_queries", "expiring"):
        for member in (record_id, record_id.partition("_")[2]):
            assert redis.zscore(PREFIX + index, member) is None, index


def queued(driver: StoreDriver) -> Verification:
    """Create a verification whose call is queued."""
    return driver.create()


def claimed(driver: StoreDriver) -> Verification:
    """Create a verification whose call is claimed by a dialer that never returns."""
    begun = driver.create()
    driver.claim()
    return begun


def placed(driver: StoreDriver) -> Verification:
    """Create a verification whose call may be ringing."""
    begun = driver.create()
    driver.dial()
    return begun


STAGES = (queued, claimed, placed)
