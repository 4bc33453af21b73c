"""The operator's side of the store: limits, searches, blocks and erasure.

Each method that changes or shows a person's data takes ``by``, the operator, for the audit log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from otpvoice.core.keys import LogId, NumberHasher, mask_number
from otpvoice.core.limits import DAY_MS
from otpvoice.core.phone import Number
from otpvoice.core.verification import Route, Verification
from otpvoice.store.connections import Connections
from otpvoice.store.functions import BaseStore, decoding, to_fields
from otpvoice.store.models import Quarantine, decode_quarantine
from otpvoice.store.replies import is_wrong_type
from otpvoice.store.verifications import decode_result

_MAX_FOUND: Final = 20
"""Most verifications that a search returns."""
_BATCH: Final = 1000
"""Keys that one round trip reads."""


@dataclass(frozen=True, slots=True)
class NumberIdentity:
    """A number as the store knows it."""

    hash: str
    prefix_hash: str
    area: str
    masked: str
    """For the log."""

    @property
    def log_id(self) -> LogId:
        """The number's id in log lines."""
        return LogId.from_hash(self.hash)


def identify_number(number: Number, hasher: NumberHasher) -> NumberIdentity:
    """Return the number as the store knows it."""
    return NumberIdentity(
        hash=hasher.hash(number.e164),
        prefix_hash=hasher.hash_attribute("prefix", number.prefix),
        area=number.area,
        masked=mask_number(number.e164),
    )


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """How much of one limit is used."""

    client: str | None
    """None for limits of numbers and of the whole service."""
    limit: str
    used: int
    blocked_until: int
    """The end of its refusal, in milliseconds since 1970; 0 while it does not refuse."""


class Refusal(msgspec.Struct, frozen=True):
    """One of the newest refusals of a number."""

    at: int
    client: str
    limit: str
    reference: str = ""
    """The reference hash."""
    verification: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The limits of a number. Times are milliseconds since 1970."""

    now: int
    gap_until: int
    blocked_until: int
    limits: tuple[LimitUsage, ...]
    refusals: tuple[Refusal, ...]
    """The newest first, of the last day."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open circuit breaker."""

    name: str
    """With its scope: ``conversion_breaker area +919876``."""
    open_until: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the service: what refuses, the queue, events and the quarantine."""

    now: int
    limits: tuple[LimitUsage, ...]
    open_breakers: tuple[Breaker, ...]
    refused: dict[str, int]
    """By setting, in the last hour."""
    live_calls: int
    queued_calls: int
    dialers: int
    closed_routes: tuple[Route, ...]
    overdue_ms: int
    """How long the first call in the queue is due; 0 when none is due."""
    pending_events: dict[str, int]
    """By client, including those that are being delivered."""
    events_overdue_ms: dict[str, int]
    """By client: how long the oldest pending event is due; 0 when none is due."""
    quarantine: Quarantine


class AdminStore(BaseStore):
    """The operator's side of the store. All methods raise ``StoreUnavailable``."""

    def overview(self) -> Overview:
        """Return the state of the service."""
        reply = self._call("overview", client=[*self.policy.limits.clients])
        events = [(client.decode(), count, late) for client, count, late in reply[b"events"]]
        return Overview(
            now=reply[b"now_ms"],
            limits=tuple(_usage(reply[b"limits"])),
            open_breakers=tuple(
                Breaker(name.decode(), int(float(until)))
                for name, until in to_fields(reply[b"breakers"]).items()
            ),
            refused={
                setting.decode(): count for setting, count in to_fields(reply[b"refused"]).items()
            },
            live_calls=reply[b"live_calls"],
            queued_calls=reply[b"queued_calls"],
            dialers=reply[b"dialers"],
            closed_routes=tuple(Route(route.decode()) for route in reply[b"closed_routes"]),
            overdue_ms=reply[b"overdue_ms"],
            pending_events={client: count for client, count, _ in events},
            events_overdue_ms={client: late for client, _, late in events},
            quarantine=decode_quarantine(reply[b"quarantine"]),
        )

    def explain(self, number: NumberIdentity) -> Explanation:
        """Return which limits apply to a number, and its newest refusals."""
        reply = self._call(
            "explain",
            number=number.hash,
            prefix=number.prefix_hash,
            area=number.area,
            client=[*self.policy.limits.clients],
        )
        now = reply[b"now_ms"]

        def decode_refusals(texts: Sequence[bytes]) -> list[Refusal]:
            with decoding(f"refusals:{number.hash}"):
                return [msgspec.json.decode(text, type=Refusal) for text in texts]

        refusals = next(self._decode_each(decode_refusals, [reply[b"refusals"]]), [])
        return Explanation(
            now=now,
            gap_until=reply[b"gap_until_ms"],
            blocked_until=reply[b"blocked_until_ms"],
            limits=tuple(_usage(reply[b"limits"])),
            # The list lives a day after the newest of them.
            refusals=tuple(refusal for refusal in refusals if refusal.at > now - DAY_MS),
        )

    def clear(self, number: NumberIdentity, by: str) -> None:
        """Clear a number's own limits and those of its prefix and area."""
        self._call(
            "clear",
            number=number.hash,
            prefix=number.prefix_hash,
            area=number.area,
            operator=by,
            to=number.masked,
        )

    def block(self, number: NumberIdentity, seconds: int, by: str) -> int:
        """Block all calls to a number, and return how many queued calls were canceled."""
        length_ms = seconds * 1000
        reply = self._call(
            "block", number=number.hash, length_ms=length_ms, operator=by, to=number.masked
        )
        return int(reply[b"canceled_calls"])

    def unblock(self, number: NumberIdentity, by: str) -> None:
        """Allow calls to a number again."""
        self.block(number, 0, by)

    def find_by_number(self, number: NumberIdentity, by: str) -> list[Verification]:
        """Return the newest verifications of a number."""
        return self._find(by, number.masked, number=number.hash)

    def find_by_reference(self, reference_hash: str, by: str) -> list[Verification]:
        """Return the newest verifications of a client's reference."""
        return self._find(by, "a reference", reference=reference_hash)

    def find_by_id(self, verification_id: str, by: str) -> list[Verification]:
        """Return the one verification, or none."""
        return self._find(by, verification_id, id=verification_id)

    def forget(self, number: NumberIdentity, by: str) -> int:
        """Erase what is known of a number, and return how many verifications there were.

        Counters of limits and a block stay until they expire. A number's record has its newest
        verifications only, so this reads all records: some seconds for a million.
        """
        verifications = self._records_of(number.hash, self._keys.of("verification", "*"))
        reply = self._call(
            "forget",
            number=number.hash,
            operator=by,
            to=number.masked,
            id=[key.rpartition(":")[2] for key in verifications],
            quarantined_key=[*self._records_of(number.hash, self._keys.of("quarantined", "*"))],
        )
        return int(reply[b"erased"])

    def _records_of(self, number: str, pattern: str) -> Iterator[str]:
        """Yield the keys that belong to a number, by their name or their field ``number``."""
        found = self.redis.scan_iter(pattern, count=_BATCH)

        def next_batch(_: object) -> list[tuple[str, object]]:
            keys = [key.decode() for key in islice(found, _BATCH)]
            pipeline = self.redis.pipeline(transaction=False)
            for key in keys:
                pipeline.hget(key, "number")
            owners = pipeline.execute(raise_on_error=False)
            for owner in owners:
                if isinstance(owner, Exception) and not is_wrong_type(owner):
                    raise owner
            return [*zip(keys, owners, strict=True)]

        while batch := self._execute("forget", next_batch):
            for key, owner in batch:
                if owner == number.encode() or key.endswith(f":{number}"):
                    yield key

    def _find(self, by: str, query: str, **what: str) -> list[Verification]:
        found = self._call("find", operator=by, query=query, **what)[b"results"]
        results = self._decode_each(decode_result, map(to_fields, found))
        verifications = [each.verification for each in results if each.verification]
        verifications.sort(key=lambda each: each.created_at, reverse=True)
        return verifications[:_MAX_FOUND]


def _usage(rows: Sequence[Any]) -> Iterator[LimitUsage]:
    for client, limit, used, until in rows:
        yield LimitUsage(client.decode() or None, limit.decode(), used, until)


class SelfTest(BaseStore):
    """Runs everything that the service needs of the store. Only the library remains."""

    def load_library(self) -> None:
        """Load the library of functions, even if the server has it already.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """
        self._execute("load", self._library.load)

    def refused_commands(self) -> dict[str, str]:
        """Run every command that the functions use; return the refused ones and their errors.

        Raises:
            StoreUnavailable: functions cannot run at all.
        """
        refused = self._call("selftest")[b"refused"]
        return {command.decode(): code.decode() for command, code in to_fields(refused).items()}

    def wait_for_token(self) -> None:
        """Wait for a token for a moment, as a dialer does.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """

        def wait(connections: Connections) -> None:
            connections.execute("BLPOP", self._keys.of("selftest", "list"), "0.01")

        self._execute("wait", wait)
