"""A stolen store: verifications with known secrets, and searches in all that the store has."""

import base64
import hashlib
import hmac
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.api_client import VERIFICATIONS, ApiClient, ManualDialer
from redis import Redis
from support.service import BRIDGE, INDEXES, stored_speech
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.core.keys import KeyRing, decrypt_speech
from otpvoice.settings import Settings
from otpvoice.store import TAG
from otpvoice.store.redis_store import RedisStore

ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
DIGEST = 8
"""Bytes of a digest that are looked at: cut digests are found, and whole ones too."""
START = 8
"""Bytes of a needle by which it is looked up; all are that long."""
SALT = 4
"""Bytes of the shortest value that is taken for a salt or a key."""
SPELLINGS = (" ", ",", ", ", "-", ".", "\0")
_ID = re.compile(rb"vrf_[0-9a-f]{32}")
_NAME = re.compile(rb"[A-Za-z0-9_-]{22}")
GUESSED_KEYS = (b"", bytes(32), TAG.encode(), b"otpvoice", b"otpvoice number", b"secret")


# Searching ---------------------------------------------------------------------------------------


def stolen_files(folder: Path) -> dict[str, bytes]:
    """Return the snapshot and the AOF of a server, by name."""
    files = [*folder.rglob("*.rdb"), *folder.rglob("*.aof")]
    return {file.name: file.read_bytes() for file in files}


def forms(secret: str) -> Iterator[bytes]:
    """Return all forms of a secret of 8 digits or more: plain, spelled, as an integer, digested."""
    plain = secret.encode()
    yield from decompressed(plain)
    yield from (separator.join(secret).encode() for separator in SPELLINGS)
    yield from (plain[::-1], secret.encode("utf-16-le"), secret.encode("utf-16-be"))
    if secret.isdigit():
        yield int(secret).to_bytes(8, "little")  # as compact encodings of the server hold it
    for algorithm in ALGORITHMS:
        yield from decompressed(hashlib.new(algorithm, plain).digest()[:DIGEST])


def decompressed(data: bytes) -> Iterator[bytes]:
    """Raw, in hex, and in either base64, wherever in a longer text that begins."""
    yield from (data, data.hex().encode(), data.hex().upper().encode())
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        sure = 8 * (before + len(data)) // 6
        padded = bytes(before) + data
        yield base64.b64encode(padded)[unsure:sure]
        yield base64.urlsafe_b64encode(padded)[unsure:sure]


def found_in(data: bytes, secrets: Iterable[str]) -> set[bytes]:
    """Return the forms of the secrets that the data contains."""
    by_start: dict[bytes, list[bytes]] = defaultdict(list)
    for needle in {form for secret in secrets for form in forms(secret)}:
        by_start[needle[:START]].append(needle)
    return {
        needle
        for at in range(len(data) - START + 1)
        for needle in by_start.get(data[at : at + START], ())
        if data.startswith(needle, at)
    }


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StolenRecord:
    """What is known of one verification: its own values, and those of its calls and answers."""

    values: frozenset[bytes]

    @property
    def digests(self) -> set[bytes]:
        """All that may be a digest: wherever it begins, and out of its base64."""
        return {
            value[at : at + DIGEST]
            for value in (*self.values, *decoded(self.values))
            for at in range(len(value) - DIGEST + 1)
        }


def keyspace(redis: Redis) -> dict[bytes, list[bytes]]:
    """Every key with all that it holds."""
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": lambda key: [part for item in redis.hgetall(key).items() for part in item],
        b"string": lambda key: [redis.get(key)],
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"set": lambda key: list(redis.smembers(key)),
        b"list": lambda key: redis.lrange(key, 0, -1),
    }
    keys: Any = redis.keys("*")
    kinds: Any = {key: redis.type(key) for key in keys}
    return {key: readers[kind](key) for key, kind in kinds.items()}


def stolen_records(space: Mapping[bytes, Sequence[bytes]]) -> dict[str, StolenRecord]:
    """By id: all that stands in the records that name a verification or are named by it."""
    indexes = tuple(key.encode() for key in INDEXES)
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for key, values in space.items():
        for name in {*_ID.findall(key), *(v for v in values if _ID.fullmatch(v))}:
            if not key.startswith(indexes):
                found[name] |= {key, *key.split(b":"), *values}
    return {name.decode(): StolenRecord(frozenset(values)) for name, values in found.items()}


def names_in(space: Mapping[bytes, Sequence[bytes]]) -> set[bytes]:
    """All parts of keys and all values that may be the name of a number, cut as digests."""
    parts = {part for key, values in space.items() for part in (*key.split(b":"), *values)}
    return {name[:DIGEST] for name in decoded(parts)}


def decoded(texts: Iterable[bytes]) -> set[bytes]:
    """Those that are 16 bytes in base64."""
    return {raw(text.decode()) for text in texts if _NAME.fullmatch(text)}


def raw(name: str) -> bytes:
    """Return the bytes that 22 characters of base64 encode."""
    return base64.urlsafe_b64decode(name + "==")


# Trying ------------------------------------------------------------------------------------------


def matching_digests(
    texts: Iterable[str], candidates: Callable[[str], Iterable[bytes]], digests: set[bytes]
) -> set[str]:
    """Return the texts whose digest is among the candidates."""
    return {t for t in texts if any(each[:DIGEST] in digests for each in candidates(t))}


def plain_digests(text: str) -> Iterator[bytes]:
    """Digests that anybody can make of it."""
    return (hashlib.new(algorithm, text.encode()).digest() for algorithm in ALGORITHMS)


def guessed_digests(
    loot: StolenRecord, bodies: Callable[[str], Sequence[str]]
) -> Callable[..., Any]:
    """Salted and keyed with each value that the thief has, or may guess.

    ``bodies``: the messages in which a code may have been digested.
    """
    keys = {*GUESSED_KEYS, *(value for value in loot.values if len(value) >= SALT)}
    salts = [(hashlib.new(algorithm, key), key) for algorithm in ALGORITHMS for key in keys]

    def candidates(code: str) -> Iterator[bytes]:
        plain = code.encode()
        messages = [plain, *(body.encode() for body in bodies(code))]
        for salted, salt in salts:
            for before, after in ((salted, plain), (hashlib.new(salted.name, plain), salt)):
                digest = before.copy()
                digest.update(after)
                yield digest.digest()
        for key in keys:
            for message in messages:
                yield hmac.digest(key, message, "sha256")

    return candidates


# The store ----------------------------------------------------------------------------------------


NAME = "Meenakshi Sundaram"


@contextmanager
def unencrypted_store(folder: Path) -> Iterator[tuple[Redis, Path]]:
    """Run a store whose snapshot is not compressed, with an AOF."""
    options = ["--appendonly", "yes", "--appendfsync", "no", "--rdbcompression", "no"]
    with Valkey(folder, *options) as server, server.client() as redis:
        yield redis, folder


@dataclass(frozen=True)
class ShortCode:
    """A verification with a code of four digits."""

    id: str
    number: str
    code: str
    own_code: bool
    """The caller's, in a request that came with an Idempotency-Key."""
    submitted: frozenset[str]
    """The code, and submitted wrong codes."""


@dataclass
class StolenStore:
    """What was stolen, and what is secret."""

    files: dict[str, bytes] = field(default_factory=dict)
    space: dict[bytes, list[bytes]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    long_codes: list[str] = field(default_factory=list)
    short_codes: list[ShortCode] = field(default_factory=list)

    def steal(self, redis: Redis, folder: Path) -> None:
        """Copy the files and the keyspace."""
        redis.save()
        self.files = stolen_files(folder)
        self.space = keyspace(redis)
        lines = [b"\n".join([key, *values]) for key, values in self.space.items()]
        self.files["keyspace"] = b"\n".join(lines)


def create_body(number: str, code: str) -> str:
    """Return the body of a create with the client's own code."""
    return json.dumps({"to": number, "code": code, "name": NAME})


class TargetService:
    """Lives that leave all kinds of records."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        rules = Container(settings).policy
        self.store = RedisStore(redis, policy=rules)
        self.redis = redis
        self.api = ApiClient(create_app(settings, self.store), self.store)
        self.dialer = ManualDialer(self.store)
        self.ring = KeyRing([named.key for named in settings.secrets.keys])
        self.generated: dict[str, int] = {}
        """The positions in ``Robbery.short`` of codes that no call has spoken yet."""

    def create(self, n: int, number: str, stolen: StolenStore) -> None:
        """Create one of three kinds: with a long, a short or a generated code."""
        if n % 20 == 0:
            self.store.sweep("a dialer")  # a heartbeat, however long the creates take
        if n % 3 == 0:
            stolen.long_codes.append(str(random.randrange(5 * 10**9, 10**10)))
            self.api.create(number, code=stolen.long_codes[-1], name=NAME)
            return
        if n % 3 == 1:
            body = create_body(number, f"{random.randrange(10_000):04}").encode()
            answer = self.api.post_raw(VERIFICATIONS, body, idempotency_key=f"login-{n}")
        else:
            answer = self.api.create_response(number, name=NAME)
        assert answer.status_code == 201, answer.text
        verification_id = answer.get_json()["id"]
        if n % 3 == 1:
            stolen.short_codes.append(
                self.submit_wrong_codes(verification_id, number, own_code=True)
            )
        else:
            self.generated[verification_id] = len(stolen.short_codes)
            code = self.code_of(verification_id)
            stolen.short_codes.append(
                ShortCode(verification_id, number, code, False, frozenset({code}))
            )

    def code_of(self, verification_id: str) -> str:
        """Open what is to be spoken."""
        sealed = stored_speech(self.redis, verification_id)
        return decrypt_speech(self.ring, verification_id, sealed)[0]

    def submit_wrong_codes(self, verification_id: str, number: str, own_code: bool) -> ShortCode:
        """Two wrong codes are handed in."""
        code = self.code_of(verification_id)
        wrong = {f"{(int(code) + more) % 10_000:04}" for more in (1, 5_000)}
        for each in wrong:
            answer = self.api.check({"id": verification_id}, each)
            assert answer.get_json()["valid"] is False
        return ShortCode(verification_id, number, code, own_code, frozenset({code, *wrong}))

    def dial(self, n: int, stolen: StolenStore) -> None:
        """Place a call; every other time the provider reports its result."""
        claim = self.dialer.place(provider_id=f"theirs-{n}")
        number, _, _ = self.dialer.decrypt(claim)
        position = self.generated.get(claim.verification_id)
        if position is not None:
            tried = self.submit_wrong_codes(
                claim.verification_id, stolen.short_codes[position].number, False
            )
            stolen.short_codes[position] = tried
        if n % 2:
            report = {"from": int(number), "bridge": int(BRIDGE), "mid": claim.call_id}
            response = self.api.send_callback(
                **report, source="C2C", status="ANSWER", duration="23"
            )
            assert response.status_code == 200, response.text
