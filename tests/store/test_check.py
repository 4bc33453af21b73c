"""Check: counts, compares and consumes. The first correct code wins, and no code wins twice."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from store.driver import RAVI, RING, StoreDriver
from store.new_verifications import CODE
from support.service import stored_speech

from otpvoice.core.keys import KeyRing
from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store import Keys
from otpvoice.store.discovery import connect
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True)
RETRY = CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000)
OLD, NEW = b"1" * 32, b"2" * 32


def outcomes(answers: list[StoreResult]) -> Counter[str]:
    """Return how often each outcome occurs."""
    return Counter(answer.outcome for answer in answers)


def left(answer: StoreResult) -> int:
    """Return the checks left."""
    assert answer.verification
    return answer.verification.checks_left


@pytest.fixture
def at_once(
    redis_url: str, driver: StoreDriver
) -> Callable[[Verification, list[str]], list[StoreResult]]:
    """Submit codes from 16 threads, over four stores with connections of their own."""

    def check_all(verification: Verification, codes: list[str]) -> list[StoreResult]:
        clients = [connect(redis_url, timeout_s=10) for _ in range(4)]
        offset = driver.store.clock_offset_ms
        desks = [StoreDriver(RedisStore(c, clock_offset_ms=offset)) for c in clients]
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(
                lambda n: desks[n % 4].check(verification, codes[n]), range(len(codes))
            )
            found = list(answers)
        for client in clients:
            client.close()
        return found

    return check_all


def test_correct_code_approves_once(driver: StoreDriver) -> None:
    """And cancels the queued call."""
    begun = driver.create(own_code=True)
    answer = driver.check(begun, CODE)
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
    assert driver.check(begun, CODE).outcome == "closed"


def test_leading_zeros_are_significant(driver: StoreDriver) -> None:
    """Codes are texts: 12345 is not 012345."""
    begun = driver.create_answered(code="000123")
    assert driver.check(begun, "123").outcome == "wrong_length"
    assert driver.check(begun, "000124").outcome == "wrong"
    assert driver.check(begun, "000123").outcome == "right"


def test_last_wrong_code_ends_verification(driver: StoreDriver) -> None:
    """The correct code is then too late."""
    begun = driver.create(own_code=True)
    for n in range(1, 5):
        answer = driver.check(begun, f"99999{n}")
        assert (answer.outcome, left(answer)) == ("wrong", 5 - n)
    last = driver.check(begun, "999995")
    assert (last.outcome, left(last)) == ("wrong", 0)
    assert last.verification
    assert last.verification.status is Status.MAX_ATTEMPTS_REACHED
    assert last.verification.ended_at == last.verification.now
    assert last.verification.calls[0].status is CallStatus.CANCELED
    assert driver.check(begun, CODE).outcome == "closed"


def test_correct_code_with_the_last_check_approves(driver: StoreDriver) -> None:
    begun = driver.create_answered()
    for n in range(4):
        driver.check(begun, f"99999{n}")
    assert driver.check(begun, CODE).outcome == "right"


def test_repeated_wrong_code_costs_one_check(driver: StoreDriver) -> None:
    """Also with other wrong codes in between."""
    begun = driver.create_answered()
    costs = [left(driver.check(begun, code)) for code in ("111111", "222222", "333333") * 3]
    assert costs == [4, 3, 2] + [2] * 6
    again = driver.check(begun, "111111")
    assert again.outcome == "wrong"
    assert again.verification
    assert again.verification.version == driver.get(begun).version


@pytest.mark.parametrize("code", ["1234", "12345", "1234567", "0123456789"])
def test_code_of_other_length_costs_no_check(driver: StoreDriver, code: str) -> None:
    """It is a typing error, not a guess."""
    begun = driver.create()
    answer = driver.check(begun, code)
    assert (answer.outcome, left(answer)) == ("wrong_length", 5)


def test_other_client_gets_not_found(driver: StoreDriver) -> None:
    """Nothing is compared or counted."""
    begun = driver.create()
    for answer in (
        driver.check(begun, CODE, client="bank"),
        driver.store.check("vrf_unknown", "login", 6, RING.digests("check", begun.id, CODE)),
    ):
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert driver.get(begun).checks_left == 5


def test_code_is_wrong_for_another_verification(driver: StoreDriver) -> None:
    """With digests made for either."""
    begun, other = driver.create_answered(), driver.create_answered(RAVI, code="999999")
    assert driver.check(other, CODE).outcome == "wrong"
    digests = RING.digests("check", begun.id, CODE)
    assert driver.store.check(other.id, "login", 6, digests).outcome == "wrong"
    assert driver.get(other).status is Status.PENDING


# Before a call was sent ---------------------------------------------------------------------------


def test_check_of_generated_code_before_a_call_returns_no_call_yet(driver: StoreDriver) -> None:
    """Neither a correct nor a wrong code is compared before the mark."""
    begun = driver.create(call_after=10)
    before = driver.get(begun)
    steps: list[Callable[[], object]] = [
        lambda: None, lambda: driver.advance_time(10), driver.claim
    ]  # fmt: skip
    for step in steps:
        step()
        for code in (CODE, "999999"):
            answer = driver.check(begun, code)
            assert (answer.outcome, left(answer)) == ("no_call_yet", 5)
            assert answer.verification
            assert answer.verification.next_check() == before.next_check()


def test_check_of_generated_code_after_the_mark_is_compared(driver: StoreDriver) -> None:
    """From the mark on the phone may ring."""
    begun, _ = driver.send()
    assert driver.check(begun, "999999").outcome == "wrong"
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("result", [REFUSED, RETRY], ids=["refused", "to be tried again"])
def test_check_after_a_call_that_provably_did_not_ring_returns_no_call_yet(
    driver: StoreDriver, result: CallResult
) -> None:
    """No one heard the code."""
    begun = driver.create()
    driver.dial(result)
    assert driver.check(begun, CODE).outcome == "no_call_yet"
    driver.advance_time(60)
    driver.request_call(begun)
    driver.dial()
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("known", [{"own_code": True}, {"is_test": True}], ids=["own", "test"])
def test_check_of_known_code_before_a_call_is_compared(
    driver: StoreDriver, known: dict[str, Any]
) -> None:
    """The SMS carried it, or the settings contain it."""
    begun = driver.create(call_after=60, **known)
    assert driver.check(begun, "999999").outcome == "wrong"
    assert driver.check(begun, CODE).outcome == "right"


def test_no_call_yet_is_not_stored_under_idempotency_key(driver: StoreDriver) -> None:
    """The same request is compared after a call was sent."""
    begun = driver.create()
    key = Idempotency("one key", "one body")
    assert driver.check(begun, CODE, idempotency=key).outcome == "no_call_yet"
    driver.dial()
    answer = driver.check(begun, CODE, idempotency=key)
    assert (answer.outcome, answer.is_replayed) == ("right", False)


# The end of its life ------------------------------------------------------------------------------


def test_code_one_second_before_its_end_is_accepted(driver: StoreDriver) -> None:
    begun = driver.create_answered()
    driver.advance_time(299)
    assert driver.check(begun, CODE).outcome == "right"


def test_code_at_its_end_is_refused(driver: StoreDriver) -> None:
    """At the millisecond of ``expires_at``, without a sweep."""
    begun = driver.create()
    now = driver.get(begun).now
    driver.store.clock_offset_ms += begun.expires_at - now
    answer = driver.check(begun, CODE)
    assert answer.outcome == "closed"
    assert answer.verification
    assert answer.verification.status is Status.EXPIRED
    assert answer.verification.ended_at == begun.expires_at


def test_code_after_another_end_is_refused(driver: StoreDriver) -> None:
    """Canceled, superseded, or approved by the client."""
    canceled, superseded = driver.create(), driver.create(RAVI, reference="a")
    driver.cancel(canceled)
    driver.try_create(RAVI, code="654321", own_code=True, reference="a")
    approved = driver.create()
    driver.approve(approved)
    for ended in (canceled, superseded, approved):
        assert driver.check(ended, CODE).outcome == "closed"


# Many at once -------------------------------------------------------------------------------------


def test_parallel_wrong_codes_are_compared_up_to_max_checks(
    driver: StoreDriver, at_once: Callable[[Verification, list[str]], list[StoreResult]]
) -> None:
    """Exactly ``max_checks`` of 500 codes; then the correct one is refused."""
    begun = driver.create_answered()
    found = at_once(begun, [f"{n:06}" for n in range(500_000, 500_500)])
    assert outcomes(found) == {"wrong": 5, "closed": 495}
    assert sorted(left(a) for a in found if a.outcome == "wrong") == [0, 1, 2, 3, 4]
    assert driver.get(begun).checks_left == 0
    assert driver.check(begun, CODE).outcome == "closed"


def test_parallel_correct_codes_succeed_once(
    driver: StoreDriver, at_once: Callable[[Verification, list[str]], list[StoreResult]]
) -> None:
    """Exactly one of 200."""
    begun = driver.create_answered()
    assert outcomes(at_once(begun, [CODE] * 200)) == {"right": 1, "closed": 199}
    assert driver.get(begun).status is Status.APPROVED


# The key ring rotates -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("creator", "checker"),
    [([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [OLD, NEW]), ([NEW, OLD], [NEW])],
)
def test_code_matches_in_every_stage_of_a_key_rotation(
    store: RedisStore, creator: list[bytes], checker: list[bytes]
) -> None:
    """The digest of any ring key matches."""
    begun = StoreDriver(store, KeyRing(creator)).create_answered()
    driver = StoreDriver(store, KeyRing(checker))
    assert driver.check(begun, "999999").outcome == "wrong"
    assert driver.check(begun, CODE).outcome == "right"


def test_repeated_wrong_code_is_free_after_a_key_rotation(store: RedisStore) -> None:
    """It cost one check before."""
    before, after = StoreDriver(store, KeyRing([OLD, NEW])), StoreDriver(store, KeyRing([NEW, OLD]))
    begun = before.create_answered()
    assert left(before.check(begun, "999999")) == 4
    assert left(after.check(begun, "999999")) == 4


def test_key_rotation_adds_no_checks(store: RedisStore) -> None:
    """Each compared code costs a check, by whichever ring."""
    desks = [StoreDriver(store, KeyRing(keys)) for keys in ([OLD], [OLD, NEW], [NEW, OLD])]
    begun = desks[0].create_answered()
    found = [desks[n % 3].check(begun, f"99999{n}") for n in range(9)]
    assert outcomes(found) == {"wrong": 5, "closed": 4}


# What is left of a code ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["approved", "guessed", "canceled", "superseded", "expired"])
def test_end_deletes_speech_and_digests(driver: StoreDriver, redis: Redis, end: str) -> None:
    """In the same function; the encrypted number stays for receipts."""
    begun = driver.create_answered(reference="a", own_code=True)
    key = Keys().of("verification", begun.id)
    driver.check(begun, "111111")
    secrets = {b"digest", b"request_digest", b"wrong_digests"}
    assert secrets < set(redis.hkeys(key))
    assert stored_speech(redis, begun.id)
    ends: dict[str, Callable[[], object]] = {
        "approved": lambda: driver.check(begun, CODE),
        "guessed": lambda: [driver.check(begun, f"22222{n}") for n in range(4)],
        "canceled": lambda: driver.cancel(begun),
        "superseded": lambda: driver.try_create(code="654321", own_code=True, reference="a"),
        "expired": lambda: driver.advance_time(300),
    }
    ends[end]()
    fields = set(redis.hkeys(key))
    assert not secrets & fields
    assert not stored_speech(redis, begun.id)
    assert b"encrypted_number" in fields
