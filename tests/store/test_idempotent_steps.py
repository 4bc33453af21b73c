"""A check or a request for a call that carries a key is done once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.exchange import CODE, GAPS, Exchange, limited, quotas_of

from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import CallStatus, Status, Verification
from otpvoice.store.decoding import Answer

SAID = Idempotency("one key", "one body")
DAY = 86_400
WRONG = ["111111", "222222", "333333", "444444", "555555"]
REMEMBERED = 100
"""Answers of one verification."""
Step = Callable[[Exchange, Verification, Idempotency], Answer]
STEPS: dict[str, Step] = {
    "right": lambda exchange, begun, said: exchange.checks(begun, CODE, idempotency=said),
    "wrong": lambda exchange, begun, said: exchange.checks(begun, WRONG[0], idempotency=said),
    "coming": lambda exchange, begun, said: exchange.calls(begun, idempotency=said),
}
each_step = pytest.mark.parametrize(("outcome", "step"), STEPS.items(), ids=STEPS)


def first(answer: Answer) -> str:
    """The outcome of a step that was done."""
    assert not answer.is_replayed
    return answer.outcome


def replayed(answer: Answer) -> str:
    """The outcome of a step that was done before, and not now."""
    assert answer.is_replayed, answer.outcome
    return answer.outcome


@each_step
def test_the_same_request_again(exchange: Exchange, outcome: str, step: Step) -> None:
    """The same outcome, however often; after the first time nothing moves."""
    begun = exchange.called()
    answer = step(exchange, begun, SAID)
    assert first(answer) == outcome
    for _ in range(3):
        again = step(exchange, begun, SAID)
        assert replayed(again) == outcome
        assert again.verification
        assert answer.verification
        assert again.verification.version == answer.verification.version


@each_step
def test_after_its_end(exchange: Exchange, outcome: str, step: Step) -> None:
    """The same outcome still, with the object as it now stands; without the key it is closed."""
    begun = exchange.called()
    step(exchange, begun, SAID)
    exchange.cancels(begun)
    again = step(exchange, begun, SAID)
    assert replayed(again) == outcome
    assert again.verification
    assert again.verification.status is not Status.PENDING
    assert first(step(exchange, begun, Idempotency("new", "body"))) == "closed"
    assert first(exchange.checks(begun, CODE)) == "closed"


@each_step
def test_after_its_life(exchange: Exchange, outcome: str, step: Step) -> None:
    """Expired and not swept: the replay stands."""
    begun = exchange.called()
    step(exchange, begun, SAID)
    exchange.passes(301, dialer=None)
    assert replayed(step(exchange, begun, SAID)) == outcome


def test_a_wrong_code_costs_one_check(exchange: Exchange) -> None:
    """However often it comes with its key, between others too, and after the last was used up."""
    begun = exchange.called()
    said = {code: Idempotency(f"key {code}", code) for code in WRONG}
    for n, code in enumerate(WRONG, start=1):
        assert first(exchange.checks(begun, code, idempotency=said[code])) == "wrong"
        assert exchange.looks(begun).checks_left == 5 - n
        for earlier in WRONG[:n]:
            assert replayed(exchange.checks(begun, earlier, idempotency=said[earlier])) == "wrong"
        assert exchange.looks(begun).checks_left == 5 - n
    assert exchange.looks(begun).status is Status.MAX_ATTEMPTS_REACHED


def test_a_replay_meets_no_limit(redis: Redis) -> None:
    """Where no further code of the number is compared, what was answered is said again."""
    exchange = limited(redis, wrong_codes_per_number=quotas_of("1/24h"))
    begun = exchange.called()
    exchange.checks(begun, WRONG[0], idempotency=SAID)
    assert exchange.checks(begun, CODE).outcome == "rate_limited wrong_codes_per_number"
    assert replayed(exchange.checks(begun, WRONG[0], idempotency=SAID)) == "wrong"


def test_a_key_is_no_free_guess(exchange: Exchange) -> None:
    """Another code under a known key is not compared, not counted, and shows nothing."""
    begun = exchange.called()
    exchange.checks(begun, WRONG[0], idempotency=SAID)
    for code in (CODE, *WRONG[1:]):
        answer = exchange.checks(begun, code, idempotency=Idempotency(SAID.key_hash, code))
        assert (answer.outcome, answer.verification) == ("idempotency_mismatch", None)
    assert exchange.looks(begun).checks_left == 4


def test_a_call_is_brought_once(exchange: Exchange) -> None:
    """The call of the first request has ended: its repeat queues no other, a new key does."""
    begun = exchange.begins()
    exchange.finds_busy()
    exchange.passes(GAPS[0])
    exchange.calls(begun, idempotency=SAID)
    exchange.finds_busy()
    exchange.passes(GAPS[1])
    assert replayed(exchange.calls(begun, idempotency=SAID)) == "coming"
    exchange.finds_nothing()
    exchange.calls(begun, idempotency=Idempotency("another key", SAID.body_hash))
    assert exchange.call_of(begun).status is CallStatus.QUEUED


def test_another_client(exchange: Exchange) -> None:
    """Finds neither the verification nor what was answered."""
    begun = exchange.begins()
    exchange.checks(begun, CODE, idempotency=SAID)
    answer = exchange.checks(begun, CODE, client="bank", idempotency=SAID)
    assert (answer.outcome, answer.verification) == ("not_found", None)


def test_a_refusal_is_not_remembered(exchange: Exchange) -> None:
    """Wrong length, then the right code under the same key: it is compared."""
    begun = exchange.called()
    assert exchange.checks(begun, "1234", idempotency=SAID).outcome == "wrong_length"
    assert first(exchange.checks(begun, CODE, idempotency=SAID)) == "right"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_it_is_known_for_a_day(exchange: Exchange, redis: Redis, step: Step) -> None:
    """From the first answer on: a replay prolongs nothing."""
    begun = exchange.called()
    step(exchange, begun, SAID)
    (key,) = redis.scan_iter("*:again:*")
    assert DAY - 5 <= redis.ttl(key) <= DAY
    redis.pexpire(key, 5_000)
    assert step(exchange, begun, SAID).is_replayed
    assert redis.pttl(key) <= 5_000
    redis.delete(key)
    assert not step(exchange, begun, SAID).is_replayed


@each_step
def test_fifty_at_once(exchange: Exchange, outcome: str, step: Step) -> None:
    """One is done, and all are answered as it was."""
    begun = exchange.called()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: step(exchange, begun, SAID), range(50)))
    assert Counter((each.is_replayed, each.outcome) for each in answers) == {
        (False, outcome): 1,
        (True, outcome): 49,
    }
    assert exchange.looks(begun).checks_left == (4 if outcome == "wrong" else 5)


def test_new_keys_without_end_fill_no_memory(exchange: Exchange, redis: Redis) -> None:
    """What a verification has remembered is bounded; beyond that the answers are the same."""
    begun = exchange.called()
    for n in range(REMEMBERED + 20):
        said = Idempotency(f"key {n}", "body")
        assert first(exchange.checks(begun, WRONG[0], idempotency=said)) == "wrong"
    assert len(list(redis.scan_iter("*:again:*"))) == REMEMBERED
    assert exchange.looks(begun).checks_left == 4
