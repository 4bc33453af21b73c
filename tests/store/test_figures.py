"""What the rules book for the console: each change once, where it belongs, and with an end."""

from collections import Counter

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, exchange_with
from world import ASHA

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.stats import BUCKET, BUCKETS_OF_A_DAY, Bucket, Figures

DAY = 86_400
AREA = "+919876"


def buckets(exchange: Exchange) -> list[Bucket]:
    """The last day, as the console reads it."""
    now = exchange.operations.overview().now
    return Figures(exchange.store.redis).of_a_day(now)


def booked(exchange: Exchange) -> Counter[str]:
    """All that happened in the last day."""
    return sum((Counter(each.figures) for each in buckets(exchange)), Counter[str]())


def by_area(exchange: Exchange) -> Counter[str]:
    """The same by the beginnings of numbers."""
    return sum((Counter(each.areas) for each in buckets(exchange)), Counter[str]())


def test_a_login_is_booked_once(exchange: Exchange) -> None:
    """Asked for, placed, answered, approved; how long both took; and where."""
    begun = exchange.begins()
    claim = exchange.dials()
    exchange.passes(25)
    exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id, duration=12)
    exchange.checks(begun, CODE)
    assert booked(exchange) == {
        "began": 1,
        "call obd placed": 1,
        "call obd answered": 1,
        "answer 3": 1,  # 25 s, of which 12 were talk: within 15
        "verification approved": 1,
        "approval 2": 1,
    }
    assert by_area(exchange) == {
        f"{AREA} {what}": 1 for what in ("placed", "answered", "ended", "approved")
    }


def test_what_is_said_twice_is_booked_once(exchange: Exchange) -> None:
    """A second create of the same, a second callback, a second right code."""
    begun = exchange.begins()
    exchange.asks()
    claim = exchange.dials()
    for _ in range(2):
        exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id)
        exchange.checks(begun, CODE)
    found = booked(exchange)
    assert (found["began"], found["call obd answered"], found["verification approved"]) == (1, 1, 1)


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
def test_each_end_of_a_call_is_booked(exchange: Exchange, status: CallStatus) -> None:
    """The provider took it, and tells its end; nobody answered, so that no time is told."""
    exchange.begins()
    claim = exchange.dials()
    exchange.hears(status, call_id=claim.call_id)
    assert booked(exchange) == {"began": 1, "call obd placed": 1, f"call obd {status}": 1}


def test_a_callback_that_overtakes_the_reply_is_booked_once(exchange: Exchange) -> None:
    """It was placed all the same, and the late reply places it no second time."""
    _, claim = exchange.sends()
    exchange.hears(CallStatus.BUSY, call_id=claim.call_id)
    exchange.records(claim, CallResult(CallStatus.PLACED))
    assert booked(exchange) == {"began": 1, "call obd placed": 1, "call obd busy": 1}


def test_a_call_without_a_reply_is_placed_when_it_is_known(exchange: Exchange) -> None:
    """Unknown at first; the provider's news says that it had it."""
    _, claim = exchange.sends()
    exchange.records(claim, CallResult(CallStatus.UNKNOWN, CallReason.NO_NEWS))
    assert booked(exchange)["call obd placed"] == 0
    exchange.hears(CallStatus.ANSWERED, call_id=claim.call_id)
    assert booked(exchange)["call obd placed"] == 1


def test_a_call_that_the_provider_refused_was_not_placed(exchange: Exchange) -> None:
    """It costs nothing."""
    _, claim = exchange.sends()
    exchange.records(claim, CallResult(CallStatus.FAILED, CallReason.REFUSED))
    assert booked(exchange) == {"began": 1, "call obd refused": 1}


def test_what_was_never_dialed_is_told_apart(exchange: Exchange) -> None:
    """Canceled with its verification; and superseded ones are no failures."""
    exchange.begins(call_after=100)
    newer = exchange.begins(code="654321", own_code=True, call_after=100)
    exchange.cancels(newer)
    assert booked(exchange) == {
        "began": 2,
        "call obd canceled": 2,
        "verification superseded": 1,
        "verification canceled": 1,
    }
    assert by_area(exchange) == {f"{AREA} ended": 1}


def test_test_numbers_are_not_booked(exchange: Exchange, redis: Redis) -> None:
    """Nobody was called, and nobody was proven."""
    begun = exchange.begins(is_test=True)
    exchange.checks(begun, CODE)
    assert booked(exchange) == {}
    assert [*redis.scan_iter("*figures:*"), *redis.scan_iter("*areas:*")] == []


def test_each_moment_has_its_bucket(exchange: Exchange) -> None:
    """Five minutes later it is another one; after a day it is shown no more."""
    exchange.begins()
    exchange.passes(BUCKET / 1000)
    exchange.begins(RAVI)
    earlier, later = (each.figures for each in buckets(exchange)[-2:])
    assert earlier == {"began": 1}
    assert later["began"] == 1
    exchange.passes(DAY - BUCKET / 1000)
    found = buckets(exchange)
    assert len(found) == BUCKETS_OF_A_DAY
    assert sum(each.figures.get("began", 0) for each in found) == 1


def test_buckets_end_after_26_hours(exchange: Exchange, redis: Redis) -> None:
    """Nothing is kept for longer than it is shown, and two hours for clocks and questions."""
    begun = exchange.begins()
    exchange.approves(begun)
    ends = [redis.pttl(key) for kind in ("figures", "areas") for key in redis.keys(f"*{kind}:*")]
    assert len(ends) == 2
    assert all(25.9 * 3_600_000 < end <= 26 * 3_600_000 for end in ends)


def test_areas_are_bounded(redis: Redis) -> None:
    """Calls all over the world fill no memory: the rest is "other", and the sum is true."""
    exchange = exchange_with(redis, gaps=(0,))
    many = 300
    for n in range(many):
        exchange.cancels(exchange.begins(f"+91{6000 + n}123456"))
    found = by_area(exchange)
    assert found["other ended"] == many - 256
    assert found.total() == many
    bucket = exchange.operations.overview().now // BUCKET
    size = redis.memory_usage(Keys().areas(bucket), samples=0) or 0
    print(f"{size} bytes")
    assert size < 40_000


def test_a_number_stands_nowhere_in_it(exchange: Exchange) -> None:
    """Only its beginning, all but the last six digits."""
    exchange.checks(exchange.called(), CODE)
    now = buckets(exchange)[-1]
    found = " ".join([*now.figures, *now.areas])
    assert AREA in found
    assert ASHA[:8] not in found
