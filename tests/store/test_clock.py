"""The server's clock is set back: the rules keep their time, and catch up slowly.

The offset of the tests stands for the server's clock.
"""

import time
from itertools import pairwise

from redis import Redis
from store.exchange import CODE, LIVE_FOR, RAVI, Exchange

from otpvoice.core.limits import DAY_MS
from otpvoice.core.verification import CallStatus
from otpvoice.store.redis_store import RedisStore

CLOCK = "{otpvoice}:clock"
BACK = 300


def set_back(exchange: Exchange, seconds: float = BACK) -> None:
    """Set the server's clock back."""
    exchange.store.clock_offset -= round(seconds * 1000)


def runs(exchange: Exchange, seconds: int) -> None:
    """Let the server's clock run, with a dialer that is heard of every second."""
    for _ in range(seconds):
        exchange.passes(1)


def now(exchange: Exchange) -> int:
    """Return the time of the rules in milliseconds."""
    lead = exchange.store.health().clock_lead
    return round(time.time() * 1000) + exchange.store.clock_offset + lead


def test_due_call_is_dialed_after_the_clock_went_back(exchange: Exchange) -> None:
    """A call that is due stays due, and one for later comes when it was meant."""
    due, later = exchange.begins(own_code=True), exchange.begins(RAVI, call_after=30)
    set_back(exchange)
    runs(exchange, 2)
    assert exchange.dials().verification_id == due.id
    runs(exchange, 25)
    assert isinstance(exchange.store.claim(200), int)
    runs(exchange, 10)
    assert exchange.claims().verification_id == later.id


def test_code_lives_no_longer_after_the_clock_went_back(exchange: Exchange) -> None:
    """A code of 60 s ends after 60 s of the rules' time, which is a tenth more of the server's."""
    begun = exchange.begins(ttl=60, own_code=True)
    other = exchange.begins(RAVI, ttl=60)
    set_back(exchange)
    runs(exchange, 59)
    assert exchange.checks(begun, CODE).outcome == "right"
    runs(exchange, 9)
    assert exchange.checks(other, CODE).outcome == "closed"


def test_time_never_runs_back(exchange: Exchange, redis: Redis) -> None:
    """Not by more than the second between two memories, however often and far the clock is set."""
    latest = now(exchange)
    for step in (-1.5, 0.2, -300, 0.9, 1.1, -86_400, 4, -0.5, 3, -7, 6, 400, -10, 90_000, -1):
        exchange.passes(step)
        assert now(exchange) >= latest - 1000
        latest = max(latest, now(exchange))
    assert 0 < redis.pttl(CLOCK) <= DAY_MS


def test_lead_is_gone_when_the_clock_is_right_again(exchange: Exchange) -> None:
    """A clock that was set back by mistake and forward again leaves nothing behind."""
    set_back(exchange)
    exchange.sweeps()
    assert 299_000 <= exchange.store.health().clock_lead <= 300_000
    exchange.passes(BACK)
    assert exchange.store.health().clock_lead <= 1000
    assert abs(now(exchange) - time.time() * 1000) < 2000


def test_lead_shrinks_by_a_tenth_of_the_time(exchange: Exchange) -> None:
    """A clock that was ahead and is right now is met again, without a jump."""
    set_back(exchange, 10)
    exchange.sweeps()
    leads = []
    for _ in range(25):
        exchange.passes(4)
        leads.append(exchange.store.health().clock_lead)
    assert all(200 <= a - b <= 600 for a, b in pairwise(leads[:20]))
    assert leads[-1] == 0


def test_a_clock_that_went_back_is_logged(exchange: Exchange) -> None:
    """Once, with the seconds; a small correction is not worth a line."""
    exchange.notices.clear()
    set_back(exchange, 0.5)
    exchange.sweeps()
    assert exchange.notices == []
    set_back(exchange)
    exchange.sweeps()
    exchange.passes(2)
    (notice,) = exchange.notices
    assert notice.event == "clock.went_back"
    assert 299 <= notice.details["seconds"] <= 301


def test_another_server_with_an_older_clock_keeps_the_time(
    exchange: Exchange, redis: Redis
) -> None:
    """A replica that is promoted has a clock of its own: the memory came with the data."""
    begun = exchange.begins(call_after=100)
    exchange.passes(101)
    other = Exchange(RedisStore(redis, keep=60_000, clock_offset=-5_000))
    assert other.claims().verification_id == begun.id


def test_a_full_server_still_keeps_the_time(exchange: Exchange, redis: Redis) -> None:
    """Functions that only read remember the time too, also at ``maxmemory``."""
    begun = exchange.begins(own_code=True)
    exchange.looks(begun)
    redis.config_set("maxmemory", 1)
    try:
        set_back(exchange)
        assert exchange.looks(begun).checks_left == 5
        assert 299_000 <= exchange.store.health().clock_lead <= 300_000
    finally:
        redis.config_set("maxmemory", 0)


def test_memory_that_is_damaged_is_replaced(exchange: Exchange, redis: Redis) -> None:
    """Whatever stands there as text is not taken for a time."""
    for text in ("", "x", "1 -2", "1e99 3", "9" * 40):
        redis.set(CLOCK, text, px=60_000)
        assert abs(now(exchange) - time.time() * 1000) < 2000


def test_dialer_goes_on_when_the_clock_went_back(exchange: Exchange) -> None:
    """A placed call is asked about, and ends, when it was meant to."""
    begun = exchange.begins(own_code=True)
    exchange.dials()
    set_back(exchange)
    runs(exchange, 70)
    assert [each.verification_id for each in exchange.store.pulls(5)] == [begun.id]
    runs(exchange, 140)
    assert exchange.looks(begun).calls[0].status is CallStatus.UNKNOWN


def set_server(exchange: Exchange, redis: Redis, seconds: float) -> None:
    """Set the server's clock, by which keys end as well: what it passes over ends now."""
    exchange.store.clock_offset += round(seconds * 1000)
    for key in redis.scan_iter():
        ends = redis.pttl(key)
        if ends > 0:
            redis.pexpire(key, ends - round(seconds * 1000))


def test_live_call_holds_the_line_after_the_clock_was_set_back_and_forward(
    exchange: Exchange, redis: Redis
) -> None:
    """The time of the rules stands still meanwhile, so that no second call rings before."""
    set_server(exchange, redis, -BACK)
    exchange.sweeps()
    exchange.sends()
    set_server(exchange, redis, BACK)
    exchange.passes(61)
    exchange.begins(client="bank")
    assert exchange.finds_nothing() == LIVE_FOR - 61
