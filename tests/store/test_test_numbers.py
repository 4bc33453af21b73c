"""Test numbers: queued and answered, with nobody called, nothing counted, guesses limited."""

from collections.abc import Mapping
from typing import Any

import pytest
from redis import Redis
from store.exchange import CODE, PLACED, RAVI, Exchange, limited, quotas_of
from world import ASHA

from otpvoice.core.limits import parse_ratio
from otpvoice.core.verification import CallStatus, Route, Status, Verification
from otpvoice.store.models import CallResult, Claim, RouteVerdict

TESTER = "+919999900001"
ADDRESS = "203.0.113.9"
TIGHT: Mapping[str, Any] = {
    "calls_per_number": quotas_of("1/10m"),
    "all_calls_per_number": quotas_of("1/24h"),
    "unverified_per_prefix": quotas_of("1/10m"),
    "calls_per_ip": quotas_of("1/1h"),
    "calls_per_day": 1,
}
MANY = 6
"""Calls of one verification."""
WRONG = ["111111", "222222", "333333", "444444", "555555"]


@pytest.fixture
def tight(redis: Redis) -> Exchange:
    """One call each, of whatever is counted."""
    return limited(redis, **TIGHT)


def begins(exchange: Exchange, **members: Any) -> Verification:
    """A verification of the test number."""
    return exchange.begins(TESTER, ip=ADDRESS, is_test=True, **members)


def answers(exchange: Exchange) -> Claim:
    """The next due call, pretended."""
    claim = exchange.claims()
    assert claim.is_test
    assert exchange.store.pretend(claim, 12)
    return claim


def traces(redis: Redis) -> set[str]:
    """Keys of what limits count, of lines and of routes."""
    counted = (
        "tally:",
        "prefix:",
        "ip:",
        "line:",
        "waiting:",
        "route:",
        "live",
        "breakers",
        "held",
    )
    names = {key.decode().partition("}:")[2] for key in redis.scan_iter()}
    return {name for name in names if name.startswith(counted)}


def test_a_call_is_answered_and_heard(exchange: Exchange) -> None:
    """From queued to answered, with a duration, placed and ended, and nothing of a provider."""
    begun = begins(exchange)
    assert exchange.call_of(begun).status is CallStatus.QUEUED
    answers(exchange)
    call = exchange.call_of(begun)
    assert (call.status, call.heard, call.duration) == (CallStatus.ANSWERED, True, 12)
    assert (call.placed_at, call.ended_at, call.raw) == (call.ended_at, call.placed_at, None)
    assert call.ended_at
    assert exchange.checks(begun, CODE).outcome == "right"


def test_nothing_is_counted(tight: Exchange, redis: Redis) -> None:
    """Again and again, approved, missed and given up: no limit, no gap, no line knows of it."""
    for n in range(10):
        begun = begins(tight, reference=str(n))
        assert begun.next_call().reason == "call_in_progress"
        answers(tight)
        assert tight.looks(begun).next_call().allowed
        assert tight.looks(begun).next_call().reason is None
        if n % 2:
            tight.checks(begun, CODE)
    assert traces(redis) == set()
    tight.begins(ip=ADDRESS)  # the one call that each limit allows
    assert tight.asks(RAVI).outcome.startswith("rate_limited")


def test_limits_that_are_full_do_not_hold_it(tight: Exchange) -> None:
    """The day is used up, the address too: a test number has its call."""
    tight.begins(ip=ADDRESS)
    assert tight.asks(RAVI, ip=ADDRESS).outcome == "rate_limited calls_per_day"
    begins(tight)


def test_an_approval_frees_nothing(redis: Redis) -> None:
    """A code that stands in the settings proves nobody: what the number had counted stays."""
    exchange = limited(
        redis,
        calls_per_number=quotas_of("1/10m"),
        wrong_codes_per_number=quotas_of("5/24h"),
        approval_clears_wrong_codes=True,
    )
    exchange.begins(TESTER)  # before it was a test number
    exchange.dials()
    before = exchange.explains(TESTER)
    begun = exchange.begins(TESTER, reference="test", is_test=True)
    exchange.checks(begun, WRONG[0])
    answers(exchange)
    exchange.checks(begun, CODE)
    after = exchange.explains(TESTER)
    assert after.gap_until == before.gap_until
    used = {use.limit: use.used for use in after.uses}
    assert (used["calls_per_number"], used["wrong_codes_per_number"]) == (1, 1)


def test_guesses_are_limited(redis: Redis) -> None:
    """By the verification, then by the number: no code is compared, and no verification begun."""
    exchange = limited(redis, wrong_codes_per_number=quotas_of("7/24h"))
    begun = begins(exchange)
    for code in WRONG:
        exchange.checks(begun, code)
    assert exchange.looks(begun).status is Status.MAX_ATTEMPTS_REACHED
    second = begins(exchange)
    for code in WRONG[:2]:
        assert exchange.checks(second, code).outcome == "wrong"
    assert exchange.checks(second, CODE).outcome == "rate_limited wrong_codes_per_number"
    again = exchange.asks(TESTER, reference="new", is_test=True)
    assert again.outcome == "rate_limited wrong_codes_per_number"
    answers(exchange)
    assert exchange.calls(second).outcome == "rate_limited wrong_codes_per_number"


def test_its_codes_move_no_breaker(redis: Redis) -> None:
    """Neither wrong ones open it, nor right ones hide others' wrong ones."""
    exchange = limited(
        redis,
        conversion_breaker=parse_ratio("15%/1h"),
        wrong_code_breaker=parse_ratio("60%/10m"),
    )
    for n in range(50):
        begun = begins(exchange, reference=str(n))
        answers(exchange)
        for code in WRONG if n % 2 else [CODE]:
            exchange.checks(begun, code)
    assert traces(redis) == set()
    exchange.sweeps()
    assert exchange.notices == []


def test_calls_of_a_test_number_are_bounded_per_verification(redis: Redis) -> None:
    """The other limits of calls do not hold for it."""
    exchange = limited(redis, attempts_per_verification=MANY)
    begun = begins(exchange)
    for _ in range(MANY - 1):
        answers(exchange)
        assert exchange.calls(begun).outcome == "coming"
    answers(exchange)
    refused = exchange.calls(begun)
    assert refused.outcome == "rate_limited attempts_per_verification"
    assert refused.verification
    assert refused.retry_after_ms == begun.expires_at - refused.verification.now
    assert refused.verification.next_call().reason == "rate_limited"
    begins(exchange, reference="another")


def test_it_waits_for_call_after(exchange: Exchange) -> None:
    """No sooner; and a check before it takes the call back."""
    begun = begins(exchange, call_after=30)
    assert exchange.finds_nothing() == 30
    exchange.passes(29)
    assert exchange.finds_nothing() == 1
    exchange.passes(1)
    answers(exchange)
    assert exchange.call_of(begun).status is CallStatus.ANSWERED
    other = begins(exchange, reference="other", call_after=30)
    exchange.checks(other, CODE)
    assert exchange.call_of(other).status is CallStatus.CANCELED
    exchange.passes(31)
    exchange.finds_nothing()


def test_a_dialer_that_dies_with_it(exchange: Exchange) -> None:
    """The lease runs out, another dialer answers it, and the first one's word counts no more."""
    begun = begins(exchange)
    first = exchange.claims()
    exchange.finds_nothing()
    exchange.passes(21)
    second = exchange.claims()
    assert second.call_id == first.call_id
    assert not exchange.store.pretend(first, 99)
    assert exchange.store.pretend(second, 12)
    assert not exchange.store.pretend(first, 99)
    assert [call.duration for call in exchange.looks(begun).calls] == [12]


def test_an_end_before_it(exchange: Exchange) -> None:
    """Canceled or expired between claim and answer: the call never was."""
    begun = begins(exchange)
    claim = exchange.claims()
    exchange.cancels(begun)
    assert not exchange.store.pretend(claim, 12)
    assert exchange.call_of(begun).status is CallStatus.CANCELED
    other = begins(exchange, reference="other")
    claim = exchange.claims()
    exchange.passes(301, dialer=None)
    assert not exchange.store.pretend(claim, 12)
    assert exchange.call_of(other).status is CallStatus.EXPIRED


def test_it_can_not_be_sent(exchange: Exchange, redis: Redis) -> None:
    """The mark, without which no dialer sends, is refused to it."""
    begins(exchange)
    assert not exchange.marks(exchange.claims())
    assert traces(redis) == set()


def test_a_real_call_can_not_be_pretended(exchange: Exchange) -> None:
    """It stays with its holder, and rings."""
    begun = exchange.begins()
    claim = exchange.claims()
    assert not claim.is_test
    assert not exchange.store.pretend(claim, 12)
    assert exchange.marks(claim)
    assert exchange.call_of(begun).status is CallStatus.DIALING


def test_it_needs_no_route(exchange: Exchange, redis: Redis) -> None:
    """All are closed: it is asked for and answered, and is not what tries them."""
    down = CallResult(CallStatus.FAILED, unsent=True, verdict=RouteVerdict.DOWN)
    for route, number in ((Route.OBD, ASHA), (Route.C2C, RAVI)):
        exchange.asks(number, route=route)
        exchange.dials(down)
    assert exchange.asks("+919812345679").outcome == "calls_unavailable"
    begun = begins(exchange)
    answers(exchange)
    assert exchange.calls(begun).outcome == "coming"
    exchange.passes(11, dialer=None)  # a probe is due
    answers(exchange)
    for route in Route:
        assert redis.hexists(f"{{otpvoice}}:route:{route}", "closed_until")
        assert not redis.hexists(f"{{otpvoice}}:route:{route}", "probe_until")


def test_it_needs_a_dialer(exchange: Exchange) -> None:
    """Nobody is there to answer it: as with any other."""
    exchange.passes(31, dialer=None)
    assert exchange.asks(TESTER, is_test=True).outcome == "calls_unavailable"


def test_a_forged_callback_does_not_move_it(exchange: Exchange) -> None:
    """Nothing was sent, so that nothing can be told of it."""
    begun = begins(exchange)
    claim = exchange.claims()
    exchange.hears(CallStatus.BUSY, call_id=claim.call_id, to=TESTER)
    assert exchange.call_of(begun).status is CallStatus.DIALING


def test_beside_a_real_number(exchange: Exchange) -> None:
    """Each goes its own way: the real one is sent, and holds its line and its gap."""
    test, real = begins(exchange), exchange.begins()
    claims = [exchange.claims(), exchange.claims()]
    for claim in claims:
        if claim.is_test:
            assert exchange.store.pretend(claim, 12)
        else:
            assert exchange.marks(claim)
            exchange.records(claim, PLACED)
    assert exchange.call_of(test).status is CallStatus.ANSWERED
    assert exchange.call_of(real).status is CallStatus.PLACED
    assert exchange.explains().gap_until > 0
    assert exchange.explains(TESTER).gap_until == 0
