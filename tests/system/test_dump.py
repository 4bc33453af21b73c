"""Searches a stolen snapshot, AOF and keyspace, without the keys of the service.

The right codes are tried with all that a thief knows; if none of them is found, no search finds
them. ``OTPVOICE_TEST_DUMP`` is for how many verifications of 1 000 all codes are tried anyway, and
how many times ten thousand further numbers; each takes some seconds. Without it the store has fewer
verifications.
"""

import base64
import os
import random
from functools import partial
from pathlib import Path

import pytest
from api.api_client import settings_with
from support.service import BRIDGE, NUMBER_KEY, RING_KEY, WIDE_LIMITS
from system.concurrency import nth_number
from system.stolen_store import (
    NAME,
    ShortCode,
    StolenRecord,
    StolenStore,
    TargetService,
    create_body,
    forms,
    found_in,
    guessed_digests,
    matching_digests,
    names_in,
    plain_digests,
    raw,
    stolen_records,
    unencrypted_store,
)

from otpvoice.core.keys import KeyRing, NumberHasher

TRIED = int(os.environ.get("OTPVOICE_TEST_DUMP", "0"))
LIVE = 1000 if TRIED else 200
CALLED = LIVE // 4
RANGE = range(100_000)
ALL_CODES = [f"{n:04}" for n in range(10_000)]
NOBODYS_KEY = bytes(32)


@pytest.fixture(scope="module")
def robbery(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StolenStore:
    """Many live verifications, some called and some answered; and then the thief comes."""
    settings = settings_with({**environ, **WIDE_LIMITS}, verification_code_length="4")
    robbery = StolenStore(numbers=[nth_number(n) for n in random.sample(RANGE, LIVE)])
    with unencrypted_store(tmp_path_factory.mktemp("robbed")) as (redis, folder):
        service = TargetService(settings, redis)
        for n, number in enumerate(robbery.numbers):
            service.create(n, number, robbery)
        for n in range(CALLED):
            service.dial(n, robbery)
        robbery.steal(redis, folder)
    return robbery


def secrets_of(numbers: list[str], codes: list[str]) -> list[str]:
    """As they may be written."""
    digits = [number.removeprefix("+") for number in numbers]
    return [*numbers, *digits, *(each.removeprefix("91") for each in digits), *codes, NAME]


def test_dump_contains_no_code_number_or_name(robbery: StolenStore) -> None:
    """Plain, spelled, as an integer, digested, in hexadecimal or base64."""
    secrets = secrets_of(robbery.numbers, robbery.long_codes)
    sizes = {name: len(data) for name, data in robbery.files.items()}
    print(f"{len(robbery.numbers)} verifications, {len(secrets)} secrets, bytes {sizes}")
    assert {Path(name).suffix for name in sizes} == {"", ".rdb", ".aof"}
    found = {name: found_in(data, secrets) for name, data in robbery.files.items()}
    assert [(name, needles) for name, needles in found.items() if needles] == []


@pytest.mark.parametrize("secret", ["+919876512345", "919876512345", "9876512345", "5000000017"])
def test_search_finds_planted_secrets(tmp_path: Path, secret: str) -> None:
    """Each form in each file, alone or inside other text."""
    hidden = StolenStore()
    with unencrypted_store(tmp_path) as (redis, folder):
        for n, form in enumerate(forms(secret)):
            redis.hset(
                f"planted {n}", mapping={b"alone": form, b"within": b"\x01" + form + b"\x02"}
            )
        hidden.steal(redis, folder)
    integers = {int(secret).to_bytes(8, "little")} if secret.isdigit() else set()
    for name, data in hidden.files.items():
        if not name.endswith(".base.rdb"):  # of the empty server at its start
            assert found_in(data, [secret]) >= set(forms(secret)) - integers, name
    assert found_in(hidden.files["dump.rdb"], [secret]) == set(forms(secret))


def messages(short: ShortCode, code: str) -> list[str]:
    """In which its code may have been digested."""
    return [f"check\0{short.id}\0{code}", f"{short.id}{code}", create_body(short.number, code)]


@pytest.mark.timeout(600 + 15 * TRIED)
def test_brute_force_without_ring_key_finds_no_code(robbery: StolenStore) -> None:
    """All ten thousand codes, digested plainly and with every value of the record as salt or key.

    With the ring key the same search finds the submitted codes.
    """
    everything = {value for item in robbery.space.items() for value in (item[0], *item[1])}
    digests = StolenRecord(frozenset(everything)).digests
    assert matching_digests(ALL_CODES, plain_digests, digests) == set()
    ring, nobodys = KeyRing([base64.b64decode(RING_KEY)]), KeyRing([NOBODYS_KEY])
    stolen = stolen_records(robbery.space)
    for n, short in enumerate(robbery.short_codes):
        loot, codes = stolen[short.id], ALL_CODES if n < TRIED else short.submitted
        assert not {code.encode() for code in short.submitted} & loot.values
        assert (
            matching_digests(codes, guessed_digests(loot, partial(messages, short)), loot.digests)
            == set()
        )
        assert (
            matching_digests(codes, partial(nobodys.digests, "check", short.id), loot.digests)
            == set()
        )
        found = matching_digests(codes, partial(ring.digests, "check", short.id), loot.digests)
        assert found == short.submitted
    print(
        f"{len(robbery.short_codes)} codes of four digits against {len(digests)} possible digests; "
        f"all codes with all that is known, for {TRIED} of them"
    )


def test_idempotency_record_reveals_no_code(robbery: StolenStore) -> None:
    """A body with a code was sent with an Idempotency-Key. The number key alone finds it."""
    short = next(each for each in robbery.short_codes if each.own_code)
    digests = stolen_records(robbery.space)[short.id].digests

    def found_with(key: NumberHasher) -> set[str]:
        def fingerprint(code: str) -> list[bytes]:
            return [raw(key.fingerprint(create_body(short.number, code).encode()))]

        return matching_digests(ALL_CODES, fingerprint, digests)

    assert found_with(NumberHasher(NOBODYS_KEY)) == set()
    assert found_with(NumberHasher(base64.b64decode(NUMBER_KEY))) == {short.code}


@pytest.mark.timeout(600 + 15 * TRIED)
def test_brute_force_without_number_key_finds_no_number(robbery: StolenStore) -> None:
    """All numbers of a range, digested plainly or with guessable keys.

    With the number key the same search finds exactly the true ones.
    """
    others = [nth_number(n) for n in RANGE]
    numbers = {*robbery.numbers, *others[: 2_000 + TRIED * 10_000]}
    names = names_in(robbery.space)

    def found_with(key: NumberHasher) -> set[str]:
        return matching_digests(numbers, lambda number: [raw(key.hash(number))], names)

    public = StolenRecord(frozenset([b"login", b"bank", BRIDGE.encode()]))
    guesses = guessed_digests(public, lambda number: [number.removeprefix("+")])
    assert matching_digests(numbers, guesses, names) == set()
    assert found_with(NumberHasher(NOBODYS_KEY)) == set()
    found = found_with(NumberHasher(base64.b64decode(NUMBER_KEY)))
    assert found == set(robbery.numbers)
    print(f"{len(numbers)} numbers against {len(names)} names: 0; with the key {len(found)}")
