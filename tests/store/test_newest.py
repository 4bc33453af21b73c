"""The list of the newest verifications, for operators: whole, in order, filtered and bounded."""

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver, number_identity
from store.new_verifications import CODE
from support.service import ASHA, BRIDGE

from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.newest import ListFilter, ListSlice
from otpvoice.store.policy import NEWEST_MAX

KEY = Keys().of("newest")
ALL = ListFilter()
FOREIGN = "+12125550123"


def listed(
    driver: StoreDriver, wanted: ListFilter = ALL, *, limit: int = 25, after: str = ""
) -> ListSlice:
    """Return one slice of the list."""
    return driver.admin.list_newest(wanted, after, limit)


def ids(found: ListSlice) -> list[str]:
    return [each.id for each in found.verifications]


@pytest.fixture
def logins(driver: StoreDriver) -> list[Verification]:
    """One approved, one whose call was busy, one that the provider refused, one of a bank."""
    approved = driver.create()
    driver.apply_callback(CallStatus.ANSWERED, call_id=driver.dial().call_id)
    driver.check(approved, CODE)
    driver.advance_time(1)
    busy = driver.create(RAVI)
    driver.apply_callback(CallStatus.BUSY, call_id=driver.dial().call_id, to=RAVI)
    driver.advance_time(1)
    refused = driver.create(FOREIGN, route="c2c")
    driver.dial(CallResult(CallStatus.FAILED, CallReason.REFUSED))
    driver.advance_time(1)
    waiting = driver.create("+919876500001", client="bank", call_after=60)
    return [approved, busy, refused, waiting]


def test_list_has_every_verification_newest_first(
    driver: StoreDriver, logins: list[Verification]
) -> None:
    found = listed(driver)
    assert ids(found) == [each.id for each in reversed(logins)]
    assert (found.has_more, found.is_lost) == (False, False)
    assert [call.status for each in found.verifications for call in each.calls] == [
        *("queued", "failed", "busy", "answered"),
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ListFilter(client="bank"), [3]),
        (ListFilter(status="approved"), [0]),
        (ListFilter(status="pending"), [3, 2, 1]),
        (ListFilter(outcome="busy"), [1]),
        (ListFilter(outcome="refused"), [2]),
        (ListFilter(outcome="failed"), []),
        (ListFilter(reason="refused"), [2]),
        (ListFilter(reason="denied"), []),
        (ListFilter(route="c2c"), [2]),
        (ListFilter(route="obd", outcome="refused"), []),
        (ListFilter(line=BRIDGE, outcome="answered"), [0]),
        (ListFilter(line="1"), []),
        (ListFilter(region="US"), [2]),
        (ListFilter(prefix="+919876"), [3, 0]),
        (ListFilter(prefix="+9198765"), []),
        (ListFilter(client="login", region="IN", outcome="busy", status="pending"), [1]),
    ],
)
def test_each_filter_selects(
    driver: StoreDriver,
    logins: list[Verification],
    wanted: ListFilter,
    expected: list[int],
) -> None:
    assert ids(listed(driver, wanted)) == [logins[at].id for at in expected]


def test_time_selects_from_and_before(driver: StoreDriver, logins: list[Verification]) -> None:
    """The first is included, the second is not."""
    _, second, third, last = logins
    wanted = ListFilter(created_from_ms=second.created_at, created_before_ms=last.created_at)
    found = listed(driver, wanted)
    assert ids(found) == [third.id, second.id]
    assert not found.has_more


def test_pages_neither_repeat_nor_miss_while_more_are_created(
    driver: StoreDriver, logins: list[Verification]
) -> None:
    """The place in the list is an id, not a count."""
    seen: list[str] = []
    after, has_more = "", True
    while has_more:
        found = listed(driver, limit=1, after=after)
        assert len(ids(found)) <= 1
        seen += ids(found)
        after, has_more = found.last, found.has_more
        driver.create(f"+9198123456{len(seen):02}")
    assert seen == [each.id for each in reversed(logins)]


def test_place_that_left_the_list_is_reported(
    driver: StoreDriver, redis: Redis, logins: list[Verification]
) -> None:
    redis.rpop(KEY)
    found = listed(driver, after=logins[0].id)
    assert (ids(found), found.is_lost) == ([], True)


def test_list_is_bounded_and_expires(driver: StoreDriver, redis: Redis) -> None:
    """After a sweep. A newer one takes the place of the oldest."""
    redis.rpush(KEY, *(f"{n:032x}" for n in range(NEWEST_MAX + 500)))
    begun = driver.create()
    driver.sweep()
    assert redis.llen(KEY) == NEWEST_MAX
    assert redis.lindex(KEY, 0) == begun.id.removeprefix("vrf_").encode()
    assert 0 < redis.pttl(KEY) <= 7 * 86_400_000
    size = int(redis.memory_usage(KEY, samples=0) or 0)
    print(f"{size / NEWEST_MAX:.1f} bytes")
    assert size <= 40 * NEWEST_MAX


def test_what_is_gone_is_skipped(
    driver: StoreDriver, redis: Redis, logins: list[Verification]
) -> None:
    """Expired, erased and unreadable ones; erasing leaves no id."""
    approved, busy, refused, waiting = logins
    redis.delete(Keys().of("verification", busy.id))
    redis.hset(Keys().of("verification", refused.id), "status", "open")
    driver.admin.forget(number_identity(ASHA), "root")
    assert ids(listed(driver)) == [waiting.id]
    left = redis.lrange(KEY, 0, -1)
    assert approved.id.removeprefix("vrf_").encode() not in left
    assert len(left) == 3
    driver.admin.forget(number_identity(FOREIGN), "root")  # its record is in the quarantine
    assert refused.id.removeprefix("vrf_").encode() not in redis.lrange(KEY, 0, -1)


def test_test_numbers_are_not_listed(driver: StoreDriver) -> None:
    """Nor are they counted in the statistics from which links lead here."""
    driver.create(is_test=True)
    assert ids(listed(driver)) == []


def test_listing_is_logged(driver: StoreDriver) -> None:
    driver.admin.log_listing("console: asha", 3)
    driver.sweep()
    [entry] = [each for each in driver.audit_entries if each.event == "operator.listed"]
    assert (entry.details["operator"], entry.details["results"]) == ("console: asha", 3)
