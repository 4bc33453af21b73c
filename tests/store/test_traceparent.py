"""The traceparent of a create is kept with the verification, in a process without spans as well."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import StoreDriver

from otpvoice import tracing
from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import Verification
from otpvoice.store import Keys

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
READERS: Final[Mapping[bytes | str, Callable[[Redis, bytes], object]]] = {
    b"hash": lambda redis, key: redis.hgetall(key),
    b"list": lambda redis, key: redis.lrange(key, 0, -1),
    b"string": lambda redis, key: redis.get(key),
    b"zset": lambda redis, key: redis.zrange(key, 0, -1),
}
"""What reads a key, by its type."""
RAVI = "+919812345678"


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver whose client receives events."""
    return driver_with_limits(
        redis,
        clients={"login": ClientLimits()},
        policy={"clients_with_events": frozenset({"login"}), "max_redials": 1},
    )


def create(driver: StoreDriver, header: str | None, **members: str) -> Verification:
    """Create a verification in a request with this header."""
    with tracing.serve_request("POST", "/v1/verifications", header):
        return driver.create(**members)


def reads(redis: Redis) -> int:
    """Return how many single fields were read, by functions as well."""
    calls = redis.info("commandstats").get("cmdstat_hget", {"calls": 0})["calls"]
    assert isinstance(calls, int)
    return calls


def test_dialers_get_the_traceparent(driver: StoreDriver) -> None:
    """With the call, each redial, each status query and each event."""
    create(driver, TRACEPARENT)
    assert driver.dial_busy().traceparent == TRACEPARENT
    driver.advance_time(60)
    assert driver.dial().traceparent == TRACEPARENT
    driver.advance_time(60)
    assert [query.traceparent for query in driver.due_status_queries()] == [TRACEPARENT]
    events = driver.store.claim_events({"login": 100}).events
    assert {event.traceparent for event in events} == {TRACEPARENT}
    assert len(events) > 2


def test_verification_without_traceparent_has_none(driver: StoreDriver) -> None:
    """As one that the release before created. A later request does not add it."""
    begun = create(driver, None)
    with tracing.serve_request("POST", "/v1/verifications", TRACEPARENT):
        assert driver.try_create().outcome == "existing"
    assert "traceparent" not in driver.stored_fields("verification", begun.id)
    assert driver.dial().traceparent is None
    driver.advance_time(60)
    assert [query.traceparent for query in driver.due_status_queries()] == [None]
    events = driver.store.claim_events({"login": 100}).events
    assert {event.traceparent for event in events} == {None}


@pytest.mark.parametrize("header", [None, TRACEPARENT])
def test_report_reads_no_further_field(
    driver: StoreDriver, redis: Redis, header: str | None
) -> None:
    """Only a process with spans asks for the traceparent."""
    costs = []
    for number, received in (("+919812345677", None), (RAVI, header)):
        create(driver, received, to=number)
        claim = driver.dial()
        before = reads(redis)
        result = driver.apply_callback(to=number, call_id=claim.call_id)
        costs.append(reads(redis) - before)
        assert result.traceparent is None
    assert costs[0] == costs[1]


def test_traceparent_ends_with_the_record(driver: StoreDriver, redis: Redis) -> None:
    """It is a field of it and stands nowhere else."""
    begun = create(driver, TRACEPARENT)
    driver.dial()
    with_it = [
        key.decode()
        for key in redis.scan_iter()
        if TRACEPARENT[3:35] in str(READERS[redis.type(key)](redis, key))
    ]
    assert with_it == [Keys().of("verification", begun.id)]
