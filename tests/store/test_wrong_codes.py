"""Wrong codes of a number: counted over verifications and clients, and then none is compared."""

from collections.abc import Iterator

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, Exchange, limited, quotas_of
from store.limit_cases import NO_GAP, refusing, stored, uses_of
from world import ASHA

from otpvoice.core.verification import (
    CallReason,
    CallStatus,
    NextActions,
    NextReason,
    Status,
    Verification,
)
from otpvoice.store.models import Claim

LIMIT = "wrong_codes_per_number"
HOUR = 3_600
SLICE = HOUR / 60


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """Four wrong codes in an hour."""
    return limited(redis, gaps=NO_GAP, wrong_codes_per_number=quotas_of("4/1h"))


def misses(exchange: Exchange, begun: Verification, times: int) -> None:
    """So many different wrong codes."""
    for n in range(times):
        assert exchange.checks(begun, f"9{n:05}").outcome == "wrong"


def wrong_codes(exchange: Exchange, to: str = ASHA) -> int:
    """How many count."""
    return next(use.used for use in uses_of(exchange, to) if use.limit.startswith(LIMIT))


def used_up(exchange: Exchange, **members: float) -> Verification:
    """A pending verification of a number whose wrong codes are used up."""
    begun = exchange.begins(own_code=True, **members)  # type: ignore[arg-type]
    misses(exchange, begun, 4)
    return begun


def test_it_counts_over_verifications_and_clients(exchange: Exchange) -> None:
    """A new code, a new login and another client start no new count; another number does."""
    for client, reference in (("login", "one"), ("login", "two"), ("bank", "one")):
        misses(exchange, exchange.called(client=client, reference=reference), 1)
    assert wrong_codes(exchange) == 3
    last = exchange.called(client="bank", reference="two")
    misses(exchange, last, 1)
    assert refusing(exchange.checks(last, CODE)) == LIMIT
    misses(exchange, exchange.called(RAVI), 4)


def test_at_the_limit_nothing_is_compared_or_counted(exchange: Exchange, redis: Redis) -> None:
    """Neither the right code nor a wrong one; the verification stays as it is, pending."""
    begun = used_up(exchange)
    before = stored(redis)
    for code in (CODE, "999999", CODE):
        answer = exchange.checks(begun, code)
        assert refusing(answer) == LIMIT
        assert answer.verification
        assert (answer.verification.status, answer.verification.checks_left) == (Status.PENDING, 1)
        assert answer.verification.version == exchange.looks(begun).version
    assert stored(redis) == before


def test_next_says_until_when(exchange: Exchange) -> None:
    """For the check and, once nothing is on its way, for the call."""
    begun = used_up(exchange)
    seen = exchange.looks(begun)
    assert seen.now + (HOUR - 5) * 1000 <= seen.wrong_codes_until
    assert seen.wrong_codes_until <= seen.now + (HOUR + SLICE) * 1000
    expected = NextActions(
        allowed=False, reason=NextReason.TOO_MANY_WRONG_CODES, at=seen.wrong_codes_until
    )
    assert seen.next_check() == expected
    assert seen.next_call().reason == "call_in_progress"
    exchange.finds_nothing()
    assert exchange.looks(begun).next_call() == expected


def test_no_further_call_is_queued(redis: Redis) -> None:
    """By create, by calls or as a redial: nobody could enter its code."""
    exchange = limited(
        redis, gaps=NO_GAP, rules={"max_redials": 1}, wrong_codes_per_number=quotas_of("4/1h")
    )
    begun = exchange.begins()
    placed = exchange.dials()
    misses(exchange, begun, 4)
    exchange.hears(CallStatus.BUSY, call_id=placed.call_id)
    assert len(exchange.looks(begun).calls) == 1
    for answer in (exchange.asks(), exchange.asks(client="bank"), exchange.calls(begun)):
        assert refusing(answer) == LIMIT


def test_nobody_is_called_for_a_code_that_is_not_compared(exchange: Exchange) -> None:
    """A queued call ends unsent: its code will be over before codes are compared again."""
    begun = used_up(exchange)
    assert exchange.finds_nothing() == -1
    call = exchange.call_of(begun)
    assert (call.status, call.reason) == (CallStatus.EXPIRED, CallReason.TOO_LATE)


def test_a_call_waits_until_codes_are_compared(redis: Redis) -> None:
    """Where that is soon enough for its code."""
    exchange = limited(redis, gaps=NO_GAP, wrong_codes_per_number=quotas_of("4/1m"))
    begun = used_up(exchange)
    assert 58 <= exchange.finds_nothing() <= 61
    exchange.passes(61)
    exchange.dials()
    assert exchange.checks(begun, CODE).outcome == "right"


def test_the_same_wrong_code_again_costs_nothing(exchange: Exchange) -> None:
    """In one verification; in another it is a guess like any."""
    begun = exchange.called(reference="one")
    for _ in range(9):
        exchange.checks(begun, "999999")
    assert wrong_codes(exchange) == 1
    exchange.checks(exchange.called(reference="two"), "999999")
    assert wrong_codes(exchange) == 2


@pytest.mark.parametrize("code", ["1234", "0123456"])
def test_another_length_costs_nothing(exchange: Exchange, code: str) -> None:
    """It can not be the code."""
    begun = exchange.begins()
    assert exchange.checks(begun, code).outcome == "wrong_length"
    assert wrong_codes(exchange) == 0


def test_what_an_ended_verification_gets_costs_nothing(exchange: Exchange) -> None:
    """Nothing is compared there."""
    begun = exchange.begins()
    exchange.cancels(begun)
    assert exchange.checks(begun, "999999").outcome == "closed"
    assert wrong_codes(exchange) == 0


def test_the_right_code_is_taken_when_there_is_room_again(redis: Redis) -> None:
    """If it still lives: at the moment that `next` named, and not a second before."""
    exchange = limited(redis, gaps=NO_GAP, wrong_codes_per_number=quotas_of("4/2m"))
    begun = used_up(exchange, ttl=600)
    seen = exchange.looks(begun)
    exchange.passes((seen.wrong_codes_until - seen.now) / 1000 - 1)
    assert refusing(exchange.checks(begun, CODE)) == LIMIT
    seen = exchange.looks(begun)
    exchange.passes((seen.wrong_codes_until - seen.now) / 1000)
    assert exchange.looks(begun).next_check() == NextActions(allowed=True)
    assert exchange.checks(begun, CODE).outcome == "right"


@pytest.mark.parametrize(("clears", "left"), [(False, 3), (True, 0)])
def test_an_approval_clears_them_only_if_set_so(redis: Redis, clears: bool, left: int) -> None:
    """Whoever owns the number may be another than who guesses (NIST SP 800-63B-4)."""
    exchange = limited(
        redis,
        gaps=NO_GAP,
        wrong_codes_per_number=quotas_of("4/1h", "9/24h"),
        approval_clears_wrong_codes=clears,
    )
    begun = exchange.called()
    misses(exchange, begun, 3)
    assert exchange.checks(begun, CODE).outcome == "right"
    uses = [use.used for use in uses_of(exchange) if use.limit.startswith(LIMIT)]
    assert uses == [left, left]


def test_it_can_be_approved_elsewhere_at_the_limit(exchange: Exchange) -> None:
    """The client's own proof needs no code of ours."""
    begun = used_up(exchange)
    assert exchange.approves(begun).outcome == "ended"


def test_no_cleverness_gets_more_guesses(exchange: Exchange) -> None:
    """Whatever codes, logins and clients are tried for a day: at most four compared an hour."""
    begun, compared = exchange.begins(), []
    for n, client in zip(range(1, 150), _clients(), strict=False):
        answer = exchange.asks(
            client=client, reference=f"{n // 3}", code="555555", own_code=bool(n % 2)
        )
        if n % 4 == 0 and isinstance(claim := exchange.store.claim(200), Claim):
            exchange.marks(claim)
        begun = answer.verification or begun
        if exchange.checks(begun, f"{n:06}").outcome == "wrong":
            compared.append(exchange.looks(begun).now)
        exchange.passes(97)
    assert len(compared) >= 4 * (97 * 149 // (HOUR + SLICE))
    starts = zip(compared, compared[4:], strict=False)
    assert all(later - at >= HOUR * 1000 for at, later in starts)


def _clients() -> Iterator[str]:
    while True:
        yield from ("login", "bank", "shop")
