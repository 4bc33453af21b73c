"""The newest verification of a client and a number, or of their reference: which one is meant."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store import by_number
from store.builders import driver_with_limits, parse_quotas
from store.conftest import Sent
from store.driver import RAVI, RING, StoreDriver, number_identity
from store.limit_cases import ADDRESS, GENEROUS, NO_GAP
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.keys import KeyRing
from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.verification import EndReason, Status, Verification
from otpvoice.store import Keys

DAY, WEEK = 86_400, 7 * 86_400
KEY = Idempotency("one key", "one body")


def sessions(driver: StoreDriver, *references: str | None) -> list[Verification]:
    """Create a verification for each reference, a second apart."""
    begun = []
    for reference in references:
        driver.advance_time(1)
        begun.append(driver.create(reference=reference, own_code=True))
    return begun


def meant(result: StoreResult) -> str:
    """Return the id of the verification in a result."""
    assert result.verification
    return result.verification.id


# Which one ----------------------------------------------------------------------------------------


def test_newest_session_is_meant(driver: StoreDriver) -> None:
    """Whatever its reference, of this client and number only."""
    for reference in ("one", None, "two", ""):
        [begun] = sessions(driver, reference)
        driver.advance_time(1)
        driver.create(RAVI, reference=reference, call_after=100)
        driver.create(client="bank", reference=reference, call_after=100)
        assert meant(by_number.look_up(driver)) == begun.id


def test_reference_selects_its_session(driver: StoreDriver) -> None:
    """An empty reference is one, too."""
    references = ("one", "two", "")
    begun = sessions(driver, *references)
    for reference, each in zip(references, begun, strict=True):
        assert meant(by_number.look_up(driver, reference=reference)) == each.id
    assert by_number.look_up(driver, reference="three").outcome == "not_found"
    assert by_number.look_up(driver, to=RAVI, reference="one").outcome == "not_found"


def test_newest_of_a_reference_is_meant(driver: StoreDriver) -> None:
    """The pending one, before and after it has ended; older ones never again."""
    for own_code in ("111111", "222222", "333333"):
        driver.advance_time(1)
        begun = driver.create(reference="one", code=own_code, own_code=True)
        sessions(driver, f"next to {own_code}")
        assert meant(by_number.look_up(driver, reference="one")) == begun.id
    driver.cancel(begun)
    driver.advance_time(30)
    assert meant(by_number.look_up(driver, reference="one")) == begun.id


def test_superseded_in_the_same_moment_is_not_meant(driver: StoreDriver, redis: Redis) -> None:
    """The one that superseded it in the same millisecond is, whatever their ids."""
    for n in range(10):
        older = driver.create(code=f"1111{n:02}", own_code=True)
        newest = driver.create(code=f"2222{n:02}", own_code=True)
        key = Keys().of("verification", newest.id)
        redis.hset(key, "created_at", older.created_at)
        assert meant(by_number.look_up(driver)) == newest.id
        driver.cancel(newest)
        driver.advance_time(1)


def test_older_session_that_ends_later_is_not_meant(driver: StoreDriver) -> None:
    older, newer = sessions(driver, "older", "newer")
    driver.cancel(newer)
    driver.advance_time(1)
    driver.cancel(older)
    result = by_number.look_up(driver)
    assert meant(result) == newer.id
    assert result.verification
    assert result.verification.status is Status.CANCELED


def test_ended_session_is_found_while_it_is_retained(driver: StoreDriver) -> None:
    """By number and by reference, also through many later ones of other clients."""
    begun = driver.create_answered(reference="one")
    assert driver.check(begun, CODE).outcome == "right"
    for n in range(25):
        driver.cancel(driver.create(client="bank", reference=f"{n}", call_after=100))
    driver.advance_time(WEEK - 400)
    assert meant(by_number.look_up(driver, reference="one")) == begun.id


def test_session_whose_record_has_gone_is_passed_over(driver: StoreDriver, redis: Redis) -> None:
    """One that had no call is kept for an hour; the one before it is then the newest known."""
    called = driver.create_answered(reference="called")
    driver.advance_time(61)
    unused = driver.create(reference="unused", call_after=100)
    driver.cancel(unused)
    assert meant(by_number.look_up(driver)) == unused.id
    redis.delete(Keys().of("verification", unused.id))
    assert meant(by_number.look_up(driver)) == called.id
    assert by_number.look_up(driver, reference="unused").outcome == "not_found"


def test_session_is_expired_by_the_lookup_that_finds_it(driver: StoreDriver) -> None:
    """No sweep came before."""
    begun = driver.create()
    driver.advance_time(301, dialer=None)
    result = by_number.look_up(driver)
    assert result.verification
    assert (result.verification.id, result.verification.status) == (begun.id, Status.EXPIRED)


@pytest.mark.parametrize("reference", [None, "one"])
def test_verification_of_another_client_is_not_found(
    driver: StoreDriver, reference: str | None
) -> None:
    """Neither pending nor ended, and it stays as it is."""
    theirs = driver.create(client="bank", reference=reference, own_code=True)
    for _ in range(2):
        for result in (
            by_number.look_up(driver, reference=reference),
            by_number.check(driver, CODE, reference=reference),
            by_number.approve(driver, reference=reference),
        ):
            assert (result.outcome, result.verification) == ("not_found", None)
        driver.close(theirs, Status.CANCELED, EndReason.REQUESTED)


def test_reference_of_many_numbers_selects_its_number(driver: StoreDriver) -> None:
    """A client may send the same reference for every number."""
    ours = driver.create(reference="sign-up", own_code=True)
    driver.cancel(ours)
    for n in range(30):
        driver.create(f"+91981234{n:04}", reference="sign-up", call_after=100)
    assert meant(by_number.look_up(driver, reference="sign-up")) == ours.id


def test_forgotten_number_has_no_verification(driver: StoreDriver) -> None:
    sessions(driver, "one", None)
    driver.cancel(driver.create(reference="ended"))
    driver.admin.forget(number_identity(ASHA), "root")
    for reference in (None, "one", "ended"):
        assert by_number.look_up(driver, reference=reference).outcome == "not_found"


# What happens to it -------------------------------------------------------------------------------


def test_parallel_right_codes_win_once(driver: StoreDriver) -> None:
    sessions(driver, "one")
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: by_number.check(driver, CODE).outcome, range(200)))
    assert sorted(set(results)) == ["closed", "right"]
    assert results.count("right") == 1


def test_code_of_another_session_is_wrong(driver: StoreDriver) -> None:
    """It costs a check of the session that is meant, and none of the other."""
    driver.create(reference="one", code="111111", own_code=True)
    driver.advance_time(1)
    driver.create(reference="two", code="222222", own_code=True)
    assert by_number.check(driver, "111111").outcome == "wrong"
    assert by_number.check(driver, "111111", reference="two").outcome == "wrong"
    assert by_number.check(driver, "222222", reference="one").outcome == "wrong"
    left = {
        reference: by_number.look_up(driver, reference=reference).verification
        for reference in ("one", "two")
    }
    assert {name: each and each.checks_left for name, each in left.items()} == {"one": 4, "two": 4}
    assert by_number.check(driver, "111111", reference="one").outcome == "right"
    assert by_number.check(driver, "222222").outcome == "right"


def test_generated_code_is_not_compared_before_a_call(driver: StoreDriver) -> None:
    driver.create()
    assert by_number.check(driver, CODE).outcome == "no_call_yet"
    driver.dial()
    assert by_number.check(driver, CODE).outcome == "right"
    assert by_number.check(driver, CODE).outcome == "closed"


def test_code_of_another_length_costs_nothing(driver: StoreDriver) -> None:
    sessions(driver, "one")
    result = by_number.check(driver, "1234")
    assert result.outcome == "wrong_length"
    assert result.verification
    assert result.verification.checks_left == 5


def test_guesses_by_id_and_by_number_share_their_checks(driver: StoreDriver) -> None:
    """Five in all, whichever way they come."""
    [begun] = sessions(driver, "one")
    for n in range(5):
        guess = f"9{n:05}"
        result = by_number.check(driver, guess) if n % 2 else driver.check(begun, guess)
        assert result.verification
        assert (result.outcome, result.verification.checks_left) == ("wrong", 4 - n)
    for last in (by_number.check(driver, CODE), driver.check(begun, CODE)):
        assert last.outcome == "closed"
        assert last.verification
        assert last.verification.status is Status.MAX_ATTEMPTS_REACHED


def test_same_wrong_code_by_number_costs_one_check(driver: StoreDriver) -> None:
    sessions(driver, "one")
    for _ in range(3):
        result = by_number.check(driver, "999999")
        assert result.verification
        assert result.verification.checks_left == 4


def test_guesses_by_id_and_by_number_share_the_limit_of_the_number(redis: Redis) -> None:
    """Over sessions, too. The right code is then not compared, by either way."""
    limit = parse_quotas("4/1h")
    driver = driver_with_limits(redis, gaps=NO_GAP, wrong_codes_per_number=limit)
    one, two = sessions(driver, "one", "two")
    driver.check(one, "900001")
    by_number.check(driver, "900002")
    by_number.check(driver, "900003", reference="one")
    driver.check(two, "900004")
    for refused in (
        by_number.check(driver, CODE),
        by_number.check(driver, CODE, reference="one"),
        driver.check(two, CODE),
    ):
        assert refused.outcome.startswith("rate_limited wrong_codes_per_number")
        assert refused.retry_after_ms > 0


def test_parallel_guesses_over_both_ways_never_exceed_max_checks(driver: StoreDriver) -> None:
    [begun] = sessions(driver, "one")

    def guess(n: int) -> str:
        code = f"9{n:05}"
        result = by_number.check(driver, code) if n % 2 else driver.check(begun, code)
        return result.outcome

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(guess, range(60)))
    assert outcomes.count("wrong") == 5
    assert outcomes.count("closed") == 55


def test_repeated_check_with_a_key_returns_its_first_outcome(driver: StoreDriver) -> None:
    """Nothing is counted again. It stays with its verification, also when a newer one exists."""
    [begun] = sessions(driver, "one")
    assert by_number.check(driver, CODE, idempotency=KEY).outcome == "right"
    sessions(driver, "two")
    again = by_number.check(driver, CODE, idempotency=KEY)
    assert (again.outcome, again.is_replayed, meant(again)) == ("right", True, begun.id)
    other_body = Idempotency(KEY.key_hash, "another body")
    assert by_number.check(driver, CODE, idempotency=other_body).outcome == "idempotency_mismatch"


def test_code_is_right_after_a_key_rotation(driver: StoreDriver) -> None:
    """The digest of another ring key is tried."""
    sessions(driver, "one")
    driver.ring = KeyRing([b"another ring key of the tests..."])
    assert by_number.check(driver, CODE).outcome == "wrong"
    driver.ring = KeyRing(
        [b"another ring key of the tests...", b"the first ring key of the tests!"]
    )
    assert by_number.check(driver, CODE).outcome == "right"
    driver.ring = RING


def test_approval_ends_the_newest_once(driver: StoreDriver) -> None:
    """Again it has no effect; of a canceled one it is refused."""
    older, newest = sessions(driver, "older", "newest")
    for _ in range(2):
        result = by_number.approve(driver)
        assert (result.outcome, meant(result)) == ("ended", newest.id)
    driver.cancel(older)
    refused = by_number.approve(driver, reference="older")
    assert (refused.outcome, meant(refused)) == ("closed", older.id)


def test_approval_releases_capacity(redis: Redis) -> None:
    """As an approval by id does: the number may be called again at once."""
    quotas = {**GENEROUS, "calls_per_number": parse_quotas("2/1h")}
    driver = driver_with_limits(redis, gaps=NO_GAP, **quotas)
    for reference in ("one", "two"):
        driver.create_answered(reference=reference, ip=ADDRESS)
    assert driver.try_create(reference="three").outcome.startswith("rate_limited calls_per_number")
    by_number.approve(driver)
    assert driver.try_create(reference="three").outcome == "created"


@pytest.mark.parametrize("reference", [None, "one", "unknown"])
def test_each_operation_is_one_round_trip(
    driver: StoreDriver, sent: Sent, reference: str | None
) -> None:
    sessions(driver, "one", "two")
    assert sent(lambda: by_number.look_up(driver, reference=reference)) == ["FCALL"]
    assert sent(lambda: by_number.check(driver, CODE, reference=reference)) == ["FCALL"]
    assert sent(lambda: by_number.approve(driver, reference=reference)) == ["FCALL"]
