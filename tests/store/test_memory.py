"""What the store contains, how much memory it takes, and how many round trips it needs."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis
from store.conftest import Sent
from store.driver import RAVI, RING, StoreDriver
from store.expiry import wrongly_endless
from store.new_verifications import CODE, NUMBERS
from support.service import ENDLESS_KEYS, stored_speech

from otpvoice.core.keys import decrypt_speech
from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store import DEFAULTS, Keys
from otpvoice.store.redis_store import RedisStore

PENDING = 200
SAID = Idempotency("one key", "one body")
BUDGET, BUDGET_OF_REDIS_7 = 1_536, 1_600
"""Bytes of memory for one pending verification; Redis 7 keeps more for each key than Valkey."""


# Memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("Customer", None),
        ("Asha Raghunathan", "5f0c8f0e-8e1c-4c55-9d4f-2f4f3a1e7c11"),
        ("आशा रघुनाथन", "5f0c8f0e-8e1c-4c55-9d4f-2f4f3a1e7c11"),
    ],
    ids=["least", "usual", "Hindi"],
)
def test_memory_of_a_pending_verification_is_bounded(
    driver: StoreDriver, redis: Redis, name: str, reference: str | None
) -> None:
    """1.5 KiB with call and indexes; a little more on Redis 7."""
    for n in range(PENDING):
        assert driver.try_create(f"+9198123{n:05}", name=name, reference=reference).verification
    used = sum(int(redis.memory_usage(key, samples=0) or 0) for key in redis.scan_iter())
    print(f"{used // PENDING} bytes")
    valkey = "valkey_version" in redis.info("server")
    assert used / PENDING <= (BUDGET if valkey else BUDGET_OF_REDIS_7)


@pytest.mark.parametrize("name", ["Asha", "श्री" * 10])
def test_speech_is_stored_in_pieces_and_claimed_whole(
    driver: StoreDriver, redis: Redis, name: str
) -> None:
    """With the longest name, the record keeps Redis's compact encoding."""
    begun = driver.create(name=name)
    assert redis.object("encoding", Keys().of("verification", begun.id)) == b"listpack"
    spoken = decrypt_speech(RING, begun.id, driver.claim().encrypted_speech)
    assert spoken == (CODE, name)


def test_fields_with_their_default_are_left_out(driver: StoreDriver, redis: Redis) -> None:
    """Other values are stored, and both are read alike."""
    usual = driver.create()
    other = driver.create(RAVI, code="12345678", max_checks=3, ttl=60, route="c2c", locale="hi")
    of_usual, of_other = (
        {*redis.hkeys(Keys().of("verification", each.id))} for each in (usual, other)
    )
    assert of_other - of_usual == {name.encode() for name in DEFAULTS["verification"]}
    assert (usual.code_length, usual.checks_left, usual.queue_margin) == (6, 5, 60_000)
    for begun in (usual, other):
        seen = driver.get(begun)
        assert seen == replace(begun, now=seen.now)
    assert [call.locale for call in driver.get(usual).calls] == ["default"]
    assert [call.route for call in driver.get(other).calls] == ["c2c"]


def test_ended_verification_leaves_only_records(driver: StoreDriver, redis: Redis) -> None:
    for n in range(10):
        begun = driver.create(f"+91981234567{n}", ttl=60)
        claim = driver.dial()
        driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, message=f"m {n}")
        driver.check(begun, CODE)
    driver.advance_time(100)
    kinds = sorted({key.decode().split(":")[1] for key in redis.scan_iter()})
    assert kinds == [
        *(
            "area_stats",
            "call",
            "callback_seen",
            "clock",
            "dialers",
            "newest",
            "number",
            "stats",
            "verification",
        ),
        "wake",
    ]


# Ends ---------------------------------------------------------------------------------------------


def test_every_key_expires_after_every_function(driver: StoreDriver, redis: Redis) -> None:
    """Promise 9."""
    steps: list[Callable[[], Any]] = [
        lambda: driver.create(call_after=5),
        lambda: driver.try_create(client="bank"),
        lambda: driver.advance_time(5),
        driver.claim,
        driver.seconds_until_due,
        lambda: driver.advance_time(21),
        driver.dial,
        driver.seconds_until_due,
        lambda: driver.apply_callback(CallStatus.BUSY, started_at=1),
        lambda: driver.advance_time(166),
        lambda: driver.try_create(reference="newer", call_after=10),
        lambda: driver.advance_time(200),
        lambda: driver.advance_time(200),
    ]
    for at, step in enumerate(steps):
        step()
        assert not wrongly_endless(redis), f"after step {at}"
    assert not {key.decode() for key in redis.scan_iter()} & ENDLESS_KEYS


# Round trips --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        lambda driver, _: driver.try_create(reference="new"),
        lambda driver, _: driver.try_create(),
        lambda driver, begun: driver.check(begun, "999999"),
        lambda driver, begun: driver.check(begun, CODE),
        lambda driver, begun: driver.get(begun),
        lambda driver, begun: driver.request_call(begun),
        lambda driver, begun: driver.cancel(begun),
        lambda driver, _: driver.claim(),
        lambda driver, _: driver.apply_callback(),
        lambda driver, _: driver.sweep(),
        lambda driver, begun: driver.check(begun, CODE, idempotency=SAID),
        lambda driver, begun: driver.request_call(begun, idempotency=SAID),
    ],
    ids=[
        *("new", "again", "wrong", "right", "get", "call", "end", "claim", "settle", "sweep"),
        *("check with a key", "call with a key"),
    ],
)
def test_each_operation_is_one_round_trip(
    driver: StoreDriver,
    redis: Redis,
    sent: Sent,
    step: Callable[[StoreDriver, Verification], object],
) -> None:
    """One FCALL."""
    step(driver, driver.create())
    redis.flushdb()
    driver.sweep()
    begun = driver.create(own_code=True)
    assert sent(lambda: step(driver, begun)) == ["FCALL"]


def test_flushed_library_is_reloaded_and_the_function_runs_once(
    driver: StoreDriver, redis: Redis, sent: Sent
) -> None:
    """One wrong code costs one check."""
    begun = driver.create_answered()
    redis.function_flush()
    commands = sent(lambda: driver.check(begun, "999999"))
    assert commands == ["FCALL", "FUNCTION", "FUNCTION", "FCALL"]
    assert driver.get(begun).checks_left == 4
    assert sent(lambda: driver.check(begun, "999998")) == ["FCALL"]
    assert driver.get(begun).checks_left == 3


# A stolen dump ------------------------------------------------------------------------------------


def stored(redis: Redis) -> bytes:
    """Return all names and values."""
    found = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        found.append(key)
        if kind == b"hash":
            found.extend(part for pair in redis.hgetall(key).items() for part in pair)
        elif kind == b"string":
            found.append(redis.get(key))
        elif kind == b"zset":
            found.extend(redis.zrange(key, 0, -1))
        elif kind == b"set":
            found.extend(redis.smembers(key))
        else:
            found.extend(redis.lrange(key, 0, -1))
    return b"\0".join(found)


def disguises(secret: str) -> set[bytes]:
    """Return the forms of a secret: plain, hex, base64 at any offset, plain hashes."""
    plain = secret.encode()
    forms = {plain, plain[::-1], plain.hex().encode(), secret.encode("utf-16-le")}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + plain)
        forms.add(encoded[4 * bool(offset) : len(encoded) // 4 * 4 - 4])
    for kind in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        digest = hashlib.new(kind, plain).digest()
        forms |= {digest[:12], digest.hex()[:24].encode(), base64.b64encode(digest)[:16]}
        forms.add(base64.urlsafe_b64encode(digest)[:16])
    return forms


def test_dump_contains_neither_codes_nor_numbers(driver: StoreDriver, redis: Redis) -> None:
    """Of 50 live verifications, called or guessed at."""
    secrets = set()
    for n in range(50):
        number, code, name = f"+9198{n:02}345678", f"{n:02}71828459", f"Raghunathan{n}Swami"
        begun = driver.try_create(number, code=code, name=name, own_code=bool(n % 2)).verification
        assert begun
        if n % 3 == 0:
            claim = driver.dial()
            driver.apply_callback(CallStatus.UNKNOWN, call_id=claim.call_id, to=number)
        driver.check(begun, f"{n:02}00000000")
        secrets |= {number, number[1:], number[3:], code, name}
    dump = stored(redis)
    assert NUMBERS.hash("+919800345678").encode() in dump
    found = {secret for secret in secrets if any(form in dump for form in disguises(secret))}
    assert not found


@pytest.mark.parametrize("at", range(len(disguises("+919800345678"))))
def test_search_finds_each_form_of_a_secret(redis: Redis, at: int) -> None:
    form = sorted(disguises("+919800345678"))[at]
    redis.hset("{otpvoice}:call:x", "raw", b"some text " + form + b" and more")
    redis.expire("{otpvoice}:call:x", 10)
    assert form in stored(redis)


def test_equal_codes_are_stored_as_different_bytes(driver: StoreDriver, redis: Redis) -> None:
    ids = [driver.create(f"+91981234567{n}", own_code=True).id for n in range(2)]
    for field in ("digest", "request_digest", "encrypted_number"):
        first, second = (redis.hget(Keys().of("verification", each), field) for each in ids)
        assert first
        assert first != second
    first, second = (stored_speech(redis, each) for each in ids)
    assert first != second


def test_stores_of_two_tags_share_nothing(driver: StoreDriver, redis: Redis) -> None:
    """Two deployments may use one database."""
    other = StoreDriver(RedisStore(redis, tag="{other}"))
    begun = driver.create()
    assert other.store.get(begun.id, "login").outcome == "not_found"
    assert other.seconds_until_due() == -1
    for key in redis.scan_iter("{other}*"):
        redis.delete(key)
