"""Check: counts, compares, consumes; the first right code wins and nobody wins twice."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from store.exchange import CODE, RAVI, RING, Exchange

from otpvoice.core.keys import KeyRing
from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store.decoding import Answer
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.url import connect

REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True)
RETRY = CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000)
OLD, NEW = b"1" * 32, b"2" * 32


def outcomes(answers: list[Answer]) -> Counter[str]:
    """How often each."""
    return Counter(answer.outcome for answer in answers)


def left(answer: Answer) -> int:
    """The checks left."""
    assert answer.verification
    return answer.verification.checks_left


@pytest.fixture
def at_once(
    redis_url: str, exchange: Exchange
) -> Callable[[Verification, list[str]], list[Answer]]:
    """Hands in codes from 16 threads, over four stores with connections of their own."""

    def check_all(verification: Verification, codes: list[str]) -> list[Answer]:
        clients = [connect(redis_url, timeout=10) for _ in range(4)]
        offset = exchange.store.clock_offset
        desks = [Exchange(RedisStore(c, keep=1, clock_offset=offset)) for c in clients]
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(
                lambda n: desks[n % 4].checks(verification, codes[n]), range(len(codes))
            )
            found = list(answers)
        for client in clients:
            client.close()
        return found

    return check_all


def test_the_right_code_approves(exchange: Exchange) -> None:
    """Once; and a queued call is called off with it."""
    begun = exchange.begins(own_code=True)
    answer = exchange.checks(begun, CODE)
    assert answer.outcome == "right"
    approved = answer.verification
    assert approved
    assert (approved.status, approved.reason) == (Status.APPROVED, None)
    assert approved.ended_at == approved.now
    assert approved.checks_left == 5
    assert approved.version > begun.version
    assert (approved.calls[0].status, approved.calls[0].reason) == (
        CallStatus.CANCELED,
        CallReason.ENDED_FIRST,
    )
    assert exchange.checks(begun, CODE).outcome == "closed"


def test_leading_zeros_count(exchange: Exchange) -> None:
    """Codes are texts: 12345 is not 012345, nor is any other writing of it."""
    begun = exchange.called(code="000123")
    assert exchange.checks(begun, "123").outcome == "wrong_length"
    assert exchange.checks(begun, "000124").outcome == "wrong"
    assert exchange.checks(begun, "000123").outcome == "right"


def test_wrong_codes_count_down_to_the_end(exchange: Exchange) -> None:
    """The fifth wrong one ends it, and then the right one comes too late."""
    begun = exchange.begins(own_code=True)
    for n in range(1, 5):
        answer = exchange.checks(begun, f"99999{n}")
        assert (answer.outcome, left(answer)) == ("wrong", 5 - n)
    last = exchange.checks(begun, "999995")
    assert (last.outcome, left(last)) == ("wrong", 0)
    assert last.verification
    assert last.verification.status is Status.MAX_ATTEMPTS_REACHED
    assert last.verification.ended_at == last.verification.now
    assert last.verification.calls[0].status is CallStatus.CANCELED
    assert exchange.checks(begun, CODE).outcome == "closed"


def test_the_right_code_wins_with_the_last_check(exchange: Exchange) -> None:
    """As long as one is left it counts."""
    begun = exchange.called()
    for n in range(4):
        exchange.checks(begun, f"99999{n}")
    assert exchange.checks(begun, CODE).outcome == "right"


def test_the_same_wrong_code_costs_once(exchange: Exchange) -> None:
    """Whoever taps twice loses one check only, also with other wrong codes in between."""
    begun = exchange.called()
    costs = [left(exchange.checks(begun, code)) for code in ("111111", "222222", "333333") * 3]
    assert costs == [4, 3, 2] + [2] * 6
    again = exchange.checks(begun, "111111")
    assert again.outcome == "wrong"
    assert again.verification
    assert again.verification.version == exchange.looks(begun).version


@pytest.mark.parametrize("code", ["1234", "12345", "1234567", "0123456789"])
def test_another_length_costs_nothing(exchange: Exchange, code: str) -> None:
    """It is a typing error, not a guess."""
    begun = exchange.begins()
    answer = exchange.checks(begun, code)
    assert (answer.outcome, left(answer)) == ("wrong_length", 5)


def test_another_client_sees_nothing(exchange: Exchange) -> None:
    """As with an unknown id, nothing compared and nothing counted."""
    begun = exchange.begins()
    for answer in (
        exchange.checks(begun, CODE, client="bank"),
        exchange.store.check("vrf_unknown", "login", 6, RING.digests("check", begun.id, CODE)),
    ):
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert exchange.looks(begun).checks_left == 5


def test_a_code_is_good_for_its_own_verification_only(exchange: Exchange) -> None:
    """The code of one on another is wrong, with digests made for either."""
    begun, other = exchange.called(), exchange.called(RAVI, code="999999")
    assert exchange.checks(other, CODE).outcome == "wrong"
    digests = RING.digests("check", begun.id, CODE)
    assert exchange.store.check(other.id, "login", 6, digests).outcome == "wrong"
    assert exchange.looks(other).status is Status.PENDING


# Before a call was sent --------------------------------------------------------------------------


def test_check_of_generated_code_before_a_call_returns_no_call_yet(exchange: Exchange) -> None:
    """Neither the right code nor a wrong one is compared or counted before the mark."""
    begun = exchange.begins(call_after=10)
    before = exchange.looks(begun)
    steps: list[Callable[[], object]] = [
        lambda: None, lambda: exchange.passes(10), exchange.claims
    ]  # fmt: skip
    for step in steps:
        step()
        for code in (CODE, "999999"):
            answer = exchange.checks(begun, code)
            assert (answer.outcome, left(answer)) == ("no_call_yet", 5)
            assert answer.verification
            assert answer.verification.next_check() == before.next_check()


def test_check_of_generated_code_after_the_mark_is_compared(exchange: Exchange) -> None:
    """From the mark on the phone may ring, whatever the provider's reply will be."""
    begun, _ = exchange.sends()
    assert exchange.checks(begun, "999999").outcome == "wrong"
    assert exchange.checks(begun, CODE).outcome == "right"


@pytest.mark.parametrize("result", [REFUSED, RETRY], ids=["refused", "to be tried again"])
def test_check_after_a_call_that_provably_did_not_ring_returns_no_call_yet(
    exchange: Exchange, result: CallResult
) -> None:
    """Nobody heard the code by that call."""
    begun = exchange.begins()
    exchange.dials(result)
    assert exchange.checks(begun, CODE).outcome == "no_call_yet"
    exchange.passes(60)
    exchange.calls(begun)
    exchange.dials()
    assert exchange.checks(begun, CODE).outcome == "right"


@pytest.mark.parametrize("known", [{"own_code": True}, {"is_test": True}], ids=["own", "test"])
def test_check_of_known_code_before_a_call_is_compared(
    exchange: Exchange, known: dict[str, Any]
) -> None:
    """The SMS carried it, or the settings hold it."""
    begun = exchange.begins(call_after=60, **known)
    assert exchange.checks(begun, "999999").outcome == "wrong"
    assert exchange.checks(begun, CODE).outcome == "right"


def test_no_call_yet_is_not_remembered_under_an_idempotency_key(exchange: Exchange) -> None:
    """The same request is compared once a call was sent."""
    begun = exchange.begins()
    key = Idempotency("one key", "one body")
    assert exchange.checks(begun, CODE, idempotency=key).outcome == "no_call_yet"
    exchange.dials()
    answer = exchange.checks(begun, CODE, idempotency=key)
    assert (answer.outcome, answer.is_replayed) == ("right", False)


# The end of its life ----------------------------------------------------------------------------


def test_just_before_its_end_a_code_is_accepted(exchange: Exchange) -> None:
    """One second of 300 is left."""
    begun = exchange.called()
    exchange.passes(299)
    assert exchange.checks(begun, CODE).outcome == "right"


def test_from_its_end_on_a_code_is_refused(exchange: Exchange) -> None:
    """At the very millisecond of ``expires_at``, though nobody swept; its end is told exactly."""
    begun = exchange.begins()
    now = exchange.looks(begun).now
    exchange.store.clock_offset += begun.expires_at - now
    answer = exchange.checks(begun, CODE)
    assert answer.outcome == "closed"
    assert answer.verification
    assert answer.verification.status is Status.EXPIRED
    assert answer.verification.ended_at == begun.expires_at


def test_after_other_ends_a_code_is_refused(exchange: Exchange) -> None:
    """Canceled, superseded, approved elsewhere."""
    canceled, superseded = exchange.begins(), exchange.begins(RAVI, reference="a")
    exchange.cancels(canceled)
    exchange.asks(RAVI, code="654321", own_code=True, reference="a")
    approved = exchange.begins()
    exchange.approves(approved)
    for ended in (canceled, superseded, approved):
        assert exchange.checks(ended, CODE).outcome == "closed"


# Many at once -------------------------------------------------------------------------------------


def test_of_many_wrong_codes_at_once_five_are_compared(
    exchange: Exchange, at_once: Callable[[Verification, list[str]], list[Answer]]
) -> None:
    """Exactly ``max_checks`` of 500 different ones, then the right one is refused."""
    begun = exchange.called()
    found = at_once(begun, [f"{n:06}" for n in range(500_000, 500_500)])
    assert outcomes(found) == {"wrong": 5, "closed": 495}
    assert sorted(left(a) for a in found if a.outcome == "wrong") == [0, 1, 2, 3, 4]
    assert exchange.looks(begun).checks_left == 0
    assert exchange.checks(begun, CODE).outcome == "closed"


def test_of_many_right_codes_at_once_one_wins(
    exchange: Exchange, at_once: Callable[[Verification, list[str]], list[Answer]]
) -> None:
    """Exactly one of 200."""
    begun = exchange.called()
    assert outcomes(at_once(begun, [CODE] * 200)) == {"right": 1, "closed": 199}
    assert exchange.looks(begun).status is Status.APPROVED


# The key ring rotates ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("creator", "checker"),
    [([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [OLD, NEW]), ([NEW, OLD], [NEW])],
)
def test_a_code_is_right_in_every_stage_of_a_rotation(
    store: RedisStore, creator: list[bytes], checker: list[bytes]
) -> None:
    """The digest of any key of the ring matches, whichever made the stored one."""
    begun = Exchange(store, KeyRing(creator)).called()
    desk = Exchange(store, KeyRing(checker))
    assert desk.checks(begun, "999999").outcome == "wrong"
    assert desk.checks(begun, CODE).outcome == "right"


def test_a_repeated_wrong_code_is_known_after_a_rotation(store: RedisStore) -> None:
    """It cost one check before the first key moved, and costs none after."""
    before, after = Exchange(store, KeyRing([OLD, NEW])), Exchange(store, KeyRing([NEW, OLD]))
    begun = before.called()
    assert left(before.checks(begun, "999999")) == 4
    assert left(after.checks(begun, "999999")) == 4


def test_a_rotation_gives_no_more_guesses(store: RedisStore) -> None:
    """Each code that is compared costs a check, by whichever ring."""
    desks = [Exchange(store, KeyRing(keys)) for keys in ([OLD], [OLD, NEW], [NEW, OLD])]
    begun = desks[0].called()
    found = [desks[n % 3].checks(begun, f"99999{n}") for n in range(9)]
    assert outcomes(found) == {"wrong": 5, "closed": 4}


# What is left of a code ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["approved", "guessed", "canceled", "superseded", "expired"])
def test_the_end_takes_the_code_with_it(exchange: Exchange, redis: Redis, end: str) -> None:
    """Seal and digests go in the same step that ends it; the number's seal stays for receipts."""
    begun = exchange.called(reference="a")
    key = Keys().verification(begun.id)
    exchange.checks(begun, "111111")
    secrets = {b"digest", b"request_digest", b"wrong"}
    assert secrets < set(redis.hkeys(key))
    assert redis.exists(Keys().speech(begun.id))
    ends: dict[str, Callable[[], object]] = {
        "approved": lambda: exchange.checks(begun, CODE),
        "guessed": lambda: [exchange.checks(begun, f"22222{n}") for n in range(4)],
        "canceled": lambda: exchange.cancels(begun),
        "superseded": lambda: exchange.asks(code="654321", own_code=True, reference="a"),
        "expired": lambda: exchange.passes(300),
    }
    ends[end]()
    fields = set(redis.hkeys(key))
    assert not secrets & fields
    assert not redis.exists(Keys().speech(begun.id))
    assert b"encrypted_number" in fields
