"""A store full of live verifications, to be robbed."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.api_client import VERIFICATIONS, ApiClient, ManualDialer
from redis import Redis
from support.service import BRIDGE
from support.valkey import Valkey
from system.dump_forensics import keyspace, stolen_files

from otpvoice.app import create_app, store_policy
from otpvoice.core.keys import KeyRing, decrypt_speech
from otpvoice.settings import Settings
from otpvoice.store.keys import Keys
from otpvoice.store.redis_store import RedisStore

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
        rules = store_policy(settings)
        store = RedisStore(redis, policy=rules)
        store.sweep("a dialer")
        self.redis = redis
        self.api = ApiClient(create_app(settings, store), store)
        self.dialer = ManualDialer(store)
        self.ring = KeyRing([named.key for named in settings.secrets.keys])
        self.generated: dict[str, int] = {}
        """The positions in ``Robbery.short`` of codes that no call has spoken yet."""

    def create(self, n: int, number: str, stolen: StolenStore) -> None:
        """One of three kinds: with a long code, with a short one, or with one that we make."""
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
        sealed: Any = self.redis.get(Keys().of("speech", verification_id))
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
