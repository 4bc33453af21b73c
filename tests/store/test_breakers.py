"""The breaker of conversion: an area whose answered calls lead to no approval is refused."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, limited
from store.limit_cases import NO_GAP, refusing, stored, uses_of
from world import ASHA

from otpvoice.core.limits import ClientLimits, Ratio, parse_ratio
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import Notice

AREA = "conversion_breaker area +919876"
ELSEWHERE = "+919123456789"
"""Of the same region."""
HALF_AN_HOUR = 1_800
RATIO = parse_ratio("15%/1h")


def numbers(count: int) -> Iterable[str]:
    """So many of Asha's area."""
    return (f"+919876{n:06}" for n in range(count))


def opened(exchange: Exchange) -> list[Notice]:
    """What the log was told of opened breakers."""
    while exchange.sweeps():
        pass
    return [notice for notice in exchange.notices if notice.event == "breaker.opened"]


def open_breakers(exchange: Exchange) -> set[str]:
    """Those that operators see."""
    return {breaker.name for breaker in exchange.operations.overview().breakers}


# Conversion --------------------------------------------------------------------------------------


def converting(redis: Redis, ratio: Ratio | None = RATIO, **limits: Any) -> Exchange:
    """With nothing but the breaker."""
    return limited(redis, gaps=NO_GAP, conversion_breaker=ratio, **limits)


def answered(exchange: Exchange, to: str, client: str = "login") -> Verification:
    """A pending verification whose call was answered."""
    begun = exchange.begins(to, client=client)
    placed = exchange.dials()
    exchange.hears(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
    return begun


def ends(exchange: Exchange, count: int, approved: int = 0, client: str = "login") -> None:
    """So many answered and ended, the first of them approved."""
    for n, to in enumerate(numbers(count)):
        begun = answered(exchange, to, client)
        if n < approved:
            exchange.approves(begun)
        else:
            exchange.cancels(begun)


@pytest.mark.parametrize(
    ("ended", "approved", "refused"),
    [(19, 0, False), (20, 0, True), (20, 2, True), (20, 3, False), (34, 5, True), (33, 5, False)],
)
def test_too_few_approved_close_an_area(
    redis: Redis, ended: int, approved: int, refused: bool
) -> None:
    """Of twenty and more that were answered and ended: fewer than 15 of a hundred."""
    exchange = converting(redis)
    ends(exchange, ended, approved)
    answer = exchange.asks(ASHA)
    assert answer.outcome == ("rate_limited conversion_breaker" if refused else "created")
    assert (AREA in open_breakers(exchange)) is refused
    assert exchange.asks(ELSEWHERE).outcome == "created"


def test_it_says_until_when_and_is_told_once(redis: Redis) -> None:
    """Half an hour; the log hears how many, however many end after that."""
    exchange = converting(redis)
    waiting = [answered(exchange, f"+919876{999_900 + n}") for n in range(25)]
    ends(exchange, 20, approved=1)
    for begun in waiting:
        exchange.cancels(begun)
    assert 1_795_000 <= exchange.asks(ASHA).retry_after_ms <= HALF_AN_HOUR * 1000
    [told] = [each for each in opened(exchange) if each.details["breaker"] == AREA]
    assert told.details == {"breaker": AREA, "open_for": HALF_AN_HOUR, "ended": 20, "approved": 1}


def test_calls_and_redials_are_refused_too(redis: Redis) -> None:
    """A verification that is under way gets no further call, and can still be approved."""
    exchange = converting(redis)
    waiting = exchange.begins(ASHA, ttl=600)
    exchange.finds_busy()
    ends(exchange, 20)
    assert refusing(exchange.calls(waiting)) == "conversion_breaker"
    assert exchange.looks(waiting).next_call().reason == "rate_limited"
    assert exchange.checks(waiting, CODE).outcome == "right"


def test_no_redial_into_a_refused_area(redis: Redis) -> None:
    """Silently."""
    exchange = limited(redis, gaps=NO_GAP, rules={"max_redials": 1}, conversion_breaker=RATIO)
    waiting = exchange.begins(ASHA, ttl=600)
    placed = exchange.dials()
    ends(exchange, 20)
    exchange.hears(CallStatus.BUSY, call_id=placed.call_id)
    assert len(exchange.looks(waiting).calls) == 1


def test_a_refusal_of_an_area_leaves_no_trace(redis: Redis) -> None:
    """As any."""
    exchange = converting(redis)
    ends(exchange, 20)
    before = stored(redis)
    assert refusing(exchange.asks(ASHA)) == "conversion_breaker"
    assert stored(redis) == before


def test_after_half_an_hour_it_judges_anew(redis: Redis) -> None:
    """Twenty more that lead to nothing close the area again; nineteen do not."""
    exchange = converting(redis)
    ends(exchange, 20)
    exchange.passes(HALF_AN_HOUR - 2)
    assert refusing(exchange.asks(ASHA)) == "conversion_breaker"
    exchange.passes(2)
    ends(exchange, 19)
    assert AREA not in open_breakers(exchange)
    answered_last = answered(exchange, ASHA)
    exchange.cancels(answered_last)
    assert AREA in open_breakers(exchange)


def test_what_ends_while_it_is_open_is_not_held_against_it(redis: Redis) -> None:
    """Those were called before: when it closes, the first honest login does not open it again."""
    exchange = converting(redis)
    waiting = [answered(exchange, to) for to in numbers(39)]
    for begun in waiting:
        exchange.cancels(begun)
    exchange.passes(HALF_AN_HOUR + 1)
    exchange.approves(answered(exchange, ASHA))
    assert AREA not in open_breakers(exchange)
    assert exchange.asks(ASHA).outcome == "created"


def test_the_window_slides(redis: Redis) -> None:
    """What ended an hour ago is not counted with what ends now."""
    exchange = converting(redis)
    ends(exchange, 19)
    exchange.passes(3_661)
    ends(exchange, 19)
    assert AREA not in open_breakers(exchange)


def unanswered(exchange: Exchange, to: str) -> Verification:
    """Busy, and so no sign of anything."""
    begun = exchange.begins(to)
    exchange.finds_busy(to)
    return begun


def undialed(exchange: Exchange, to: str) -> Verification:
    """Canceled in the queue."""
    return exchange.begins(to)


def silent(exchange: Exchange, to: str) -> Verification:
    """Placed, and never heard of."""
    begun = exchange.begins(to)
    exchange.dials()
    return begun


@pytest.mark.parametrize("begin", [unanswered, undialed, silent])
def test_who_did_not_answer_does_not_count(
    redis: Redis, begin: Callable[[Exchange, str], Verification]
) -> None:
    """Only who heard a code could enter it."""
    exchange = converting(redis)
    for to in numbers(25):
        exchange.cancels(begin(exchange, to))
    assert not open_breakers(exchange)


@pytest.mark.parametrize("callback_first", [True, False])
def test_each_counts_once_in_either_order(redis: Redis, callback_first: bool) -> None:
    """Answered and then ended, or ended and then answered: nineteen are nineteen, twenty twenty."""
    exchange = converting(redis)
    for n, to in enumerate(numbers(20)):
        assert not open_breakers(exchange), f"after {n}"
        begun = exchange.begins(to)
        placed = exchange.dials()
        if not callback_first:
            exchange.cancels(begun)
        for _ in range(2):
            exchange.hears(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
        exchange.cancels(begun)
        exchange.cancels(begun)
    assert AREA in open_breakers(exchange)


def test_two_answered_calls_of_one_verification_count_once(redis: Redis) -> None:
    """Of ten verifications with two calls each, ten count."""
    exchange = converting(redis)
    for to in numbers(10):
        begun = answered(exchange, to)
        exchange.calls(begun)
        placed = exchange.dials()
        exchange.cancels(begun)
        exchange.hears(CallStatus.ANSWERED, call_id=placed.call_id, to=to)
    assert not open_breakers(exchange)


def test_a_life_that_is_over_counts(redis: Redis) -> None:
    """Whoever heard a code and let it pass."""
    exchange = converting(redis)
    for to in numbers(20):
        answered(exchange, to)
    assert not open_breakers(exchange)
    exchange.passes(301)
    assert AREA in open_breakers(exchange)


def test_a_region_and_a_client_only_alarm(redis: Redis) -> None:
    """Ten each of two areas: neither area is refused, the log is told of the other two."""
    exchange = converting(redis)
    for n in range(10):
        for to in (f"+919876{n:06}", f"+919812{n:06}"):
            exchange.cancels(answered(exchange, to))
    names = {"conversion_breaker region IN", "conversion_breaker client login"}
    assert open_breakers(exchange) == names
    assert {notice.details["breaker"] for notice in opened(exchange)} == names
    for to in (ASHA, RAVI, ELSEWHERE):
        assert exchange.asks(to).outcome == "created"


def test_off_is_off(redis: Redis) -> None:
    """Nothing is counted either."""
    exchange = converting(redis, parse_ratio("off"))
    ends(exchange, 25)
    assert not open_breakers(exchange)
    assert not list(redis.scan_iter("*:tally:*"))


def test_clients_that_report_nothing_do_not_count(redis: Redis) -> None:
    """Nor are they refused: their approvals are known to themselves only."""
    exchange = converting(redis, clients={"app": ClientLimits(deliver_only=True)})
    ends(exchange, 25, client="app")
    assert not open_breakers(exchange)
    ends(exchange, 20)
    assert refusing(exchange.asks(ASHA)) == "conversion_breaker"
    assert exchange.asks(ASHA, client="app").outcome == "created"


def test_a_number_shows_what_holds_its_area(redis: Redis) -> None:
    """To operators; and the day's count of refusals grows."""
    exchange = converting(redis)
    ends(exchange, 20)
    exchange.asks(ASHA)
    [use] = [use for use in uses_of(exchange) if use.limit == "conversion_breaker"]
    assert use.until > exchange.explains().now
    assert exchange.operations.overview().refused["conversion_breaker"] == 1
