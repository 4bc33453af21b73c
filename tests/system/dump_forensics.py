"""What a thief of the store's files does: search them, and try every code and number."""

import base64
import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from otpvoice.store.keys import TAG, Keys

ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
DIGEST = 16
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
    indexes = tuple(key.encode() for key in Keys().indexes)
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for key, values in space.items():
        for name in {*_ID.findall(key), *(v for v in values if _ID.fullmatch(v))}:
            if not key.startswith(indexes):
                found[name] |= {key, *key.split(b":"), *values}
    return {name.decode(): StolenRecord(frozenset(values)) for name, values in found.items()}


def names_in(space: Mapping[bytes, Sequence[bytes]]) -> set[bytes]:
    """All parts of keys and all values that may be the name of a number, as digests."""
    parts = {part for key, values in space.items() for part in (*key.split(b":"), *values)}
    return decoded(parts)


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
