"""The operator's side of the store: limits, searches, blocks and erasure.

Each method that changes or shows a person's data takes ``by``, the operator, for the audit log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import msgspec
from msgspec import Struct

from otpvoice.core.keys import LogId, NumberHasher, mask_number
from otpvoice.core.limits import (
    CALLS_PER_DAY,
    DAY_MS,
    DENIAL_BLOCK,
    LimitStatus,
    limit_capacities,
    limits_of,
)
from otpvoice.core.phone import Number
from otpvoice.core.verification import MAX_DECLINES, Verification
from otpvoice.store.export import ExportStore
from otpvoice.store.functions import Fields, to_fields
from otpvoice.store.models import Quarantine
from otpvoice.store.newest import NewestStore
from otpvoice.store.replies import is_wrong_type
from otpvoice.store.verifications import convert, decode_result, decoding

_MAX_FOUND: Final = 20
"""Most verifications that a search returns."""
_BATCH: Final = 1000
"""Keys that one round trip reads."""

_Usage = tuple[str | None, str, int, int]
"""Client, limit, how much is used, and the end of the refusal."""


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


class Refusal(Struct, frozen=True):
    """One of the newest refusals of a number."""

    at: int
    client: str
    limit: str
    reference: str = ""
    """The reference hash."""
    verification: str = ""


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """All limits that apply to calls to one number. Times are in milliseconds since 1970."""

    identity: NumberIdentity
    now_ms: int
    gap_until_ms: int
    """The end of the call gap. 0 when no gap delays the next call."""
    blocked_until_ms: int
    declines: int
    """Calls that were declined within an hour."""
    limits: tuple[LimitStatus, ...]
    """With the block and the conversion breaker."""
    refusals: tuple[Refusal, ...]
    """The newest first, of the last day."""
    has_address_limits: bool
    """Whether calls are also counted by address, which a number does not determine."""

    @property
    def allows_redials(self) -> bool:
        """Whether calls to the number may be redialed: it declined too few within an hour."""
        return self.declines < MAX_DECLINES

    @property
    def own_limits(self) -> list[LimitStatus]:
        """The limits of the number itself and of its prefix."""
        return [each for each in self.limits if each.limit != CALLS_PER_DAY and not each.client]

    @property
    def refusing(self) -> list[LimitStatus]:
        """The limits that refuse: those for every client first, then the longest first."""
        full = [each for each in self.limits if each.until_ms]
        return sorted(full, key=lambda each: (each.client or "", -each.until_ms))

    @property
    def blocked_by(self) -> Literal["denial", "operator"] | None:
        """Who had the number blocked: the person who denied a call, or an operator."""
        if not self.blocked_until_ms:
            return None
        is_denied = any(each.limit == DENIAL_BLOCK for each in self.limits)
        return "denial" if is_denied else "operator"

    def cleared_since(self, before: "NumberLimits") -> list[str]:
        """Describe the limits that changed since ``before``: ``calls_per_number 3/3 → 0/3``."""
        cleared = [
            f"{was.title} {was.count} → {now.count}" if was.allowed else was.title
            for was, now in zip(before.limits, self.limits, strict=True)
            if (was.used, was.until_ms) != (now.used, now.until_ms)
        ]
        if before.gap_until_ms and not self.gap_until_ms:
            cleared.append("call_gap")
        if before.declines and not self.declines:
            cleared.append("declined calls")
        return cleared


class Breaker(Struct, frozen=True, array_like=True):
    """An open circuit breaker."""

    name: str
    """With its scope: ``conversion_breaker area +919876``."""
    open_until: int


class Overview(Struct, frozen=True, rename={"now": "now_ms"}):
    """The state of the service: what refuses, the queue, events and the quarantine."""

    now: int
    limits: tuple[LimitStatus, ...]
    """Of clients and of the day."""
    open_breakers: tuple[Breaker, ...]
    refused: dict[str, int]
    """By setting, in the last hour."""
    live_calls: int
    queued_calls: int
    dialers: int
    closed_routes: tuple[str, ...]
    weak_lines: tuple[str, ...]
    """Caller lines (digits) that people answer far less often than the best one with them."""
    overdue_ms: int
    """How long the first call in the queue is due; 0 when none is due."""
    pending_events: dict[str, int]
    """By client, including those that are being delivered."""
    events_overdue_ms: dict[str, int]
    """By client: how long the oldest pending event is due; 0 when none is due."""
    quarantine: Quarantine


class AdminStore(ExportStore, NewestStore):
    """The operator's side of the store. All methods raise ``StoreUnavailable``."""

    def overview(self) -> Overview:
        """Return the state of the service."""
        reply = self._call("overview", client=[*self.policy.limits.clients])
        for name in (b"refused", b"pending_events", b"events_overdue_ms"):
            reply[name] = to_fields(reply[name])
        reply[b"limits"] = self._limits(reply)
        return convert(reply, Overview)

    def explain(self, number: NumberIdentity) -> NumberLimits:
        """Return which limits apply to a number, and its newest refusals."""
        reply = self._call(
            "explain",
            number=number.hash,
            prefix=number.prefix_hash,
            area=number.area,
            client=[*self.policy.limits.clients],
        )

        def decode_refusals(texts: Sequence[bytes]) -> list[Refusal]:
            with decoding(f"refusals:{number.hash}"):
                return [msgspec.json.decode(text, type=Refusal) for text in texts]

        refusals = next(self._decode_each(decode_refusals, [reply[b"refusals"]]), [])
        now_ms = reply[b"now_ms"]
        limits = self.policy.limits
        return NumberLimits(
            identity=number,
            now_ms=now_ms,
            gap_until_ms=_future(reply[b"gap_until_ms"], now_ms),
            blocked_until_ms=_future(reply[b"blocked_until_ms"], now_ms),
            declines=reply[b"declines"],
            limits=self._limits(reply),
            # The list lives a day after the newest of them.
            refusals=tuple(refusal for refusal in refusals if refusal.at > now_ms - DAY_MS),
            has_address_limits=any(getattr(limits, name) for name in limits_of("address")),
        )

    def _limits(self, reply: Fields) -> tuple[LimitStatus, ...]:
        """Combine what is used with what is allowed, ordered by client."""
        capacities = limit_capacities(self.policy.limits)
        limits = []
        for client, limit, used, retry_at in convert(reply[b"limits"], list[_Usage]):
            allowed = capacities.get((client, limit))
            until_ms = _future(retry_at, reply[b"now_ms"])
            limits.append(LimitStatus(client, limit, used, allowed, until_ms))
        return tuple(sorted(limits, key=lambda each: each.client or ""))

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
        """Block all calls to a number, and return how many queued calls were canceled.

        ``seconds``: 0 allows calls again.
        """
        length_ms = seconds * 1000
        reply = self._call(
            "block", number=number.hash, length_ms=length_ms, operator=by, to=number.masked
        )
        return int(reply[b"canceled_calls"])

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


def _future(time_ms: int, now_ms: int) -> int:
    return time_ms if time_ms > now_ms else 0
