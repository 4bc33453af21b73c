"""Stolen: the snapshot, the log and the keyspace of a store, and neither key of the service.

The right codes are tried with all that a thief knows; if none of them is found, no search finds
them. ``OTPVOICE_TEST_DUMP`` is for how many verifications all codes are tried nevertheless, and how
many times ten thousand further numbers; each takes some seconds.
"""

import base64
import os
import random
from functools import partial
from pathlib import Path

import pytest
from api.door import settings_with
from system.crowd import number_of
from system.loot import (
    Loot,
    forms,
    found_in,
    guessed_digests,
    loots,
    names_in,
    plain_digests,
    raw,
    tried,
)
from system.robbery import NAME, Robbery, Service, Short, body_of, robbable
from world import BRIDGE, NUMBER_KEY, RING_KEY, WIDE_LIMITS

from otpvoice.core.keys import KeyRing, NumberHasher

TRIED = int(os.environ.get("OTPVOICE_TEST_DUMP", "0"))
LIVE = 1000
CALLED = 150
RANGE = range(100_000)
ALL_CODES = [f"{n:04}" for n in range(10_000)]
NOBODYS_KEY = bytes(32)


@pytest.fixture(scope="module")
def robbery(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Robbery:
    """1 000 live verifications, some called and some answered; and then the thief comes."""
    settings = settings_with({**environ, **WIDE_LIMITS}, verification_code_length="4")
    robbery = Robbery(numbers=[number_of(n) for n in random.sample(RANGE, LIVE)])
    with robbable(tmp_path_factory.mktemp("robbed")) as (redis, folder):
        service = Service(settings, redis)
        for n, number in enumerate(robbery.numbers):
            service.begins(n, number, robbery)
        for n in range(CALLED):
            service.dials(n, robbery)
        robbery.steal(redis, folder)
    return robbery


def secrets_of(numbers: list[str], codes: list[str]) -> list[str]:
    """As they may be written."""
    digits = [number.removeprefix("+") for number in numbers]
    return [*numbers, *digits, *(each.removeprefix("91") for each in digits), *codes, NAME]


def test_no_file_holds_a_code_or_a_number(robbery: Robbery) -> None:
    """Nor a name; written, spelled, as an integer, digested, in hex or base64."""
    secrets = secrets_of(robbery.numbers, robbery.long_codes)
    sizes = {name: len(data) for name, data in robbery.files.items()}
    print(f"{len(robbery.numbers)} verifications, {len(secrets)} secrets, bytes {sizes}")
    assert {Path(name).suffix for name in sizes} == {"", ".rdb", ".aof"}
    found = {name: found_in(data, secrets) for name, data in robbery.files.items()}
    assert [(name, needles) for name, needles in found.items() if needles] == []


@pytest.mark.parametrize("secret", ["+919876512345", "919876512345", "9876512345", "5000000017"])
def test_the_search_finds_what_is_there(tmp_path: Path, secret: str) -> None:
    """Every form in every file, alone or in the middle of something."""
    hidden = Robbery()
    with robbable(tmp_path) as (redis, folder):
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


def messages(short: Short, code: str) -> list[str]:
    """In which its code may have been digested."""
    return [f"check\0{short.id}\0{code}", f"{short.id}{code}", body_of(short.number, code)]


@pytest.mark.timeout(120 + 15 * TRIED)
def test_no_code_is_found_by_trying_all(robbery: Robbery) -> None:
    """Digested plainly, and with every value of its own record as the salt or the key: none of ten
    thousand is in it. With the ring key the same search finds what was handed in.
    """
    everything = {value for item in robbery.space.items() for value in (item[0], *item[1])}
    digests = Loot(frozenset(everything)).digests
    assert tried(ALL_CODES, plain_digests, digests) == set()
    ring, nobodys = KeyRing([base64.b64decode(RING_KEY)]), KeyRing([NOBODYS_KEY])
    stolen = loots(robbery.space)
    for n, short in enumerate(robbery.short):
        loot, codes = stolen[short.id], ALL_CODES if n < TRIED else short.handed_in
        assert not {code.encode() for code in short.handed_in} & loot.values
        assert tried(codes, guessed_digests(loot, partial(messages, short)), loot.digests) == set()
        assert tried(codes, partial(nobodys.digests, "check", short.id), loot.digests) == set()
        found = tried(codes, partial(ring.digests, "check", short.id), loot.digests)
        assert found == short.handed_in
    print(
        f"{len(robbery.short)} codes of four digits against {len(digests)} possible digests; "
        f"all codes with all that is known, for {TRIED} of them"
    )


def test_no_code_is_found_in_a_remembered_request(robbery: Robbery) -> None:
    """A body that came with an Idempotency-Key holds the code; the number key alone finds it."""
    short = next(each for each in robbery.short if each.own_code)
    digests = loots(robbery.space)[short.id].digests

    def found_with(key: NumberHasher) -> set[str]:
        def fingerprint(code: str) -> list[bytes]:
            return [raw(key.fingerprint(body_of(short.number, code).encode()))]

        return tried(ALL_CODES, fingerprint, digests)

    assert found_with(NumberHasher(NOBODYS_KEY)) == set()
    assert found_with(NumberHasher(base64.b64decode(NUMBER_KEY))) == {short.code}


@pytest.mark.timeout(120 + 15 * TRIED)
def test_no_number_is_found_by_trying_a_range(robbery: Robbery) -> None:
    """All numbers of a range, digested plainly or with what anybody can guess: none. With the
    number key the same search finds the true ones and no other.
    """
    others = [number_of(n) for n in RANGE]
    numbers = {*robbery.numbers, *others[: (1 + TRIED) * 10_000]}
    names = names_in(robbery.space)

    def found_with(key: NumberHasher) -> set[str]:
        return tried(numbers, lambda number: [raw(key.hash(number))], names)

    public = Loot(frozenset([b"login", b"bank", BRIDGE.encode()]))
    guesses = guessed_digests(public, lambda number: [number.removeprefix("+")])
    assert tried(numbers, guesses, names) == set()
    assert found_with(NumberHasher(NOBODYS_KEY)) == set()
    found = found_with(NumberHasher(base64.b64decode(NUMBER_KEY)))
    assert found == set(robbery.numbers)
    print(f"{len(numbers)} numbers against {len(names)} names: 0; with the key {len(found)}")
