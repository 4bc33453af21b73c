"""Looks for secrets in all that a service leaves behind, in every form that they may have taken."""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from redis import Redis

from otpvoice.core.speech import CodeFormat, format_code


@dataclass(frozen=True)
class Leak:
    """A canary that sang."""

    what: str
    form: str
    where: str


@dataclass
class Scanner:
    """Finds canaries. ``secrets``: any text; ``codes``: what may be spelled or hashed, too."""

    secrets: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)

    def scan(self, where: str, found: bytes) -> list[Leak]:
        """Every canary that is in these bytes, in whatever form."""
        lowered = found.lower()
        return [
            Leak(what, form, where)
            for what, form, sought in self._sought()
            if sought in (lowered if form.endswith("hex") else found)
        ]

    def _sought(self) -> Iterator[tuple[str, str, bytes]]:
        for what, secret in (self.secrets | self.codes).items():
            for form, text in _forms(secret):
                yield what, form, text
        for what, code in self.codes.items():
            for form, text in _forms_of_a_code(code):
                yield what, form, text


def _forms(secret: str) -> Iterator[tuple[str, bytes]]:
    raw = secret.encode()
    yield "plain", raw
    yield "quoted", quote(secret, safe="").encode()
    yield "in JSON", json.dumps(secret)[1:-1].encode()
    yield "backwards", raw[::-1]
    yield from _coded("", raw)


def _forms_of_a_code(code: str) -> Iterator[tuple[str, bytes]]:
    for shape in (CodeFormat.COMMA, CodeFormat.SPACED):
        spelled = format_code(code, shape)
        yield shape, spelled.encode()
        yield f"{shape}, quoted", quote(spelled).encode()
        yield from _coded(shape, spelled.encode())
    yield "in JSON, spelled", json.dumps([*code])[1:-1].encode()
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, code.encode(), usedforsecurity=False).digest()
        yield name, digest
        yield from _coded(name, digest)


def _coded(form: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """As hex, and as base64 wherever in a longer text it may begin (RFC 4648)."""
    yield f"{form} hex", raw.hex().encode()
    for before in range(3):
        # The first and the last characters hold bits of the neighbours too.
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        text = base64.b64encode(bytes(before) + raw)[first:last]
        yield f"{form} base64", text
        yield f"{form} base64url", text.translate(bytes.maketrans(b"+/", b"-_"))


def everything_in(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Each key with its name, as it is stored and as it reads."""
    for key in redis.scan_iter(count=1000):
        name = key.decode(errors="backslashreplace")
        yield f"the name of {name}", key
        yield f"the dump of {name}", redis.dump(key) or b""
        yield from ((name, value) for value in _values(redis, key))


def _values(redis: Redis, key: bytes) -> Iterable[bytes]:
    found: Any
    match redis.type(key):
        case b"string":
            found = [redis.get(key)]
        case b"hash":
            found = itertools.chain.from_iterable(redis.hgetall(key).items())
        case b"list":
            found = redis.lrange(key, 0, -1)
        case b"set":
            found = redis.smembers(key)
        case b"zset":
            found = redis.zrange(key, 0, -1)
        case b"none":
            found = []  # it has expired meanwhile
        case kind:
            raise AssertionError(f"no scan of a {kind!r}")
    return filter(None, found)
