"""Verifications that authorise a payment: what is stored, superseded, claimed and compared."""

import pytest
from redis import Redis
from store.conftest import Sent
from store.driver import RAVI, RING, StoreDriver
from store.new_verifications import CODE
from store.test_memory import disguises, stored

from otpvoice.core.keys import KeyRing, decrypt_transaction
from otpvoice.core.transactions import MAX_PAYEE, Transaction
from otpvoice.core.verification import EndReason, Status
from otpvoice.store import Keys
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.speech_models import CallSpeech

RENT = Transaction("2500.00", "INR", "ACME Stores")
FOOD = Transaction("250", "INR", "ACME Stores")
LONGEST = Transaction("9999999999.999", "INR", "𑀓" * MAX_PAYEE)
"""In letters of four bytes."""
OTHERS = [
    None,
    FOOD,
    Transaction("2500.00", "USD", "ACME Stores"),
    Transaction("2500.00", "INR", "ACME Store"),
    Transaction("2500.01", "INR", "ACME Stores"),
]


def decrypted(of: str, ciphertext: bytes) -> Transaction | None:
    """Return what the record of a verification contains."""
    return decrypt_transaction(RING, of, ciphertext)


@pytest.mark.parametrize("transaction", [RENT, LONGEST], ids=["usual", "longest"])
def test_transaction_is_stored_in_pieces_and_read_whole(
    driver: StoreDriver, redis: Redis, transaction: Transaction
) -> None:
    """By reads, claims, the fetch of the speech, and events; the record stays compact."""
    begun = driver.create(transaction=transaction)
    assert redis.object("encoding", Keys().of("verification", begun.id)) == b"listpack"
    claim = driver.dial()
    found = driver.store.speech_of_live_call(claim.call_id)
    assert isinstance(found, CallSpeech)
    for ciphertext in (
        begun.encrypted_transaction,
        driver.get(begun).encrypted_transaction,
        claim.encrypted_transaction,
        found.encrypted_transaction,
    ):
        assert decrypted(begun.id, ciphertext) == transaction


def test_transaction_is_shown_while_the_verification_is_kept(driver: StoreDriver) -> None:
    """Unlike the code, it outlives the end."""
    begun = driver.create_answered(transaction=RENT)
    assert driver.check(begun, CODE, transaction=RENT).outcome == "right"
    driver.advance_time(6 * 86_400)
    assert decrypted(begun.id, driver.get(begun).encrypted_transaction) == RENT


def test_record_without_transaction_has_no_field_of_it(driver: StoreDriver, redis: Redis) -> None:
    plain, paid = driver.create(), driver.create(RAVI, transaction=RENT)
    fields = [{*redis.hkeys(Keys().of("verification", each.id))} for each in (plain, paid)]
    assert fields[1] - fields[0] == {b"transaction1", b"transaction_digest"}
    assert fields[0] <= fields[1]
    assert not plain.encrypted_transaction


def test_end_deletes_the_digest_of_the_transaction(driver: StoreDriver, redis: Redis) -> None:
    begun = driver.create(transaction=RENT)
    driver.cancel(begun)
    key = Keys().of("verification", begun.id)
    assert redis.hexists(key, "transaction1")
    assert not redis.hexists(key, "transaction_digest")


def test_dump_contains_no_transaction(driver: StoreDriver, redis: Redis) -> None:
    """Of pending, called and ended verifications, with their events."""
    secrets = set()
    for n in range(12):
        number, payee = f"+9198{n:02}345678", f"Raghunathan {'x' * n}"
        transaction = Transaction(f"{n}71828.45", "INR", payee)
        begun = driver.create(number, code=CODE, own_code=True, transaction=transaction)
        if n % 3 == 0:
            driver.dial()
        if n % 2:
            driver.check(begun, CODE, transaction=transaction)
        secrets |= {transaction.amount, payee, payee[:11], transaction.to_text()}
    dump = stored(redis)
    assert not {secret for secret in secrets if any(form in dump for form in disguises(secret))}


@pytest.mark.parametrize("other", OTHERS)
def test_right_code_with_another_transaction_is_wrong(
    driver: StoreDriver, other: Transaction | None
) -> None:
    """It costs one check, and the same pair again costs nothing."""
    begun = driver.create_answered(transaction=RENT)
    for _ in range(3):
        wrong = driver.check(begun, CODE, transaction=other)
        assert wrong.verification
        assert (wrong.outcome, wrong.verification.checks_left) == ("wrong", 4)
    assert driver.check(begun, CODE, transaction=RENT).outcome == "right"


def test_right_code_with_an_unasked_transaction_is_wrong(driver: StoreDriver) -> None:
    begun = driver.create_answered()
    assert driver.check(begun, CODE, transaction=RENT).outcome == "wrong"
    assert driver.check(begun, CODE).outcome == "right"


def test_transactions_share_the_checks_of_a_verification(driver: StoreDriver) -> None:
    """A person who knows the code cannot try payments without end."""
    begun = driver.create_answered(transaction=RENT)
    for n in range(5):
        tried = Transaction(f"{n + 1}", "INR", "ACME Stores")
        assert driver.check(begun, CODE, transaction=tried).outcome == "wrong"
    assert driver.get(begun).status is Status.MAX_ATTEMPTS_REACHED
    assert driver.check(begun, CODE, transaction=RENT).outcome == "closed"


def test_create_with_same_transaction_returns_the_pending_verification(
    driver: StoreDriver,
) -> None:
    """Also with another spelling of the amount, and with another first key of the ring."""
    begun = driver.create(transaction=RENT)
    again = driver.try_create(transaction=Transaction("2500", "INR", "ACME Stores"))
    assert again.verification
    assert (again.outcome, again.verification.id) == ("existing", begun.id)
    assert decrypted(begun.id, again.verification.encrypted_transaction) == RENT
    rotated = StoreDriver(
        driver.store,
        KeyRing([b"a second ring key of the tests!!", b"the first ring key of the tests!"]),
    )
    assert rotated.try_create(transaction=RENT).outcome == "existing"


@pytest.mark.parametrize("own_code", [False, True])
@pytest.mark.parametrize(
    ("first", "second"), [(RENT, FOOD), (RENT, None), (None, RENT)], ids=["other", "none", "new"]
)
def test_create_with_another_transaction_supersedes(
    driver: StoreDriver, first: Transaction | None, second: Transaction | None, own_code: bool
) -> None:
    """Also after a call was sent, and for one code: a code never speaks for another payment."""
    begun, _ = driver.send(transaction=first, own_code=own_code)
    driver.advance_time(90)
    newer = driver.create(transaction=second, own_code=own_code)
    old = driver.get(begun)
    assert newer.id != begun.id
    assert (old.status, old.reason) == (Status.CANCELED, EndReason.SUPERSEDED)
    assert driver.check(begun, CODE, transaction=first).outcome == "closed"


def test_refused_create_with_another_transaction_ends_the_pending_one(
    driver: StoreDriver,
) -> None:
    """The user has turned to another payment, so the code of the first is not spoken."""
    begun = driver.create(transaction=RENT)
    refused = driver.try_create(transaction=FOOD, ttl=60, call_after=59)
    assert refused.outcome == "call_gap"
    assert driver.get(begun).reason is EndReason.SUPERSEDED
    assert driver.seconds_until_due() == -1


def test_other_reference_keeps_the_transaction_of_the_first(driver: StoreDriver) -> None:
    first = driver.create(transaction=RENT, reference="one")
    driver.create(transaction=FOOD, reference="two")
    assert driver.get(first).status is Status.PENDING


def test_commands_are_as_many_with_a_transaction(
    store: RedisStore, driver: StoreDriver, sent: Sent
) -> None:
    """One round trip for each step."""
    begun = driver.create(transaction=RENT)
    assert store.redis.ping()
    assert len(sent(lambda: driver.create(RAVI, transaction=RENT))) == 1
    assert len(sent(lambda: driver.get(begun))) == 1
    assert len(sent(lambda: driver.check(begun, "999999", transaction=RENT))) == 1
    assert len(sent(driver.claim)) == 1
