"""What operators ask of the store. What they change, the service's log is told of.

Each step that changes or shows something of a person takes ``by``, who does it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from otpvoice.core.keys import LogId, NumberHasher
from otpvoice.core.limits import DAY_MS
from otpvoice.core.phone import Number, mask_number
from otpvoice.core.verification import Route, Verification
from otpvoice.store.base import DIALER_LIVENESS_MS, BaseStore
from otpvoice.store.connections import Argument
from otpvoice.store.decoding import decode_quarantine, decode_result
from otpvoice.store.models import Quarantine
from otpvoice.store.replies import is_wrong_type
from otpvoice.store.schema import UnreadableRecord, decoding

_MAX_FOUND: Final = 20
"""Verifications that are found at most."""
_BATCH: Final = 1000
"""Keys that are looked at in one round trip."""


@dataclass(frozen=True, slots=True)
class NumberIdentity:
    """A number as the store knows it."""

    hash: str
    prefix_hash: str
    """The name of its prefix."""
    area: str
    masked: str
    """For the log."""

    @property
    def log_id(self) -> LogId:
        """The id by which log lines name the number."""
        return LogId.from_hash(self.hash)


def identify_number(number: Number, number_key: NumberHasher) -> NumberIdentity:
    """The number as the store knows it."""
    return NumberIdentity(
        hash=number_key.hash(number.e164),
        prefix_hash=number_key.hash_attribute("prefix", number.prefix),
        area=number.area,
        masked=mask_number(number.e164),
    )


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """How far one limit is used up."""

    client: str | None
    """Whose limit it is; None for numbers and the whole service."""
    limit: str
    used: int
    blocked_until: int
    """Until when it refuses, in milliseconds since 1970; 0 when it does not."""


class Refusal(msgspec.Struct, frozen=True):
    """One of the newest refusals of a number."""

    at: int
    client: str
    limit: str
    reference: str = ""
    """The name of the caller's reference."""
    verification: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What holds a number. Times in milliseconds since 1970."""

    now: int
    gap_until: int
    blocked_until: int
    limits: tuple[LimitUsage, ...]
    refusals: tuple[Refusal, ...]
    """The newest first, of a day."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open one."""

    name: str
    """With what it is open for: ``conversion_breaker area +919876``."""
    open_until: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What refuses."""

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
    """Milliseconds since the oldest call that waits was due; 0 when none is due."""
    pending_events: dict[str, int]
    """By client: those that wait, or are told right now."""
    events_overdue_ms: dict[str, int]
    """By client: milliseconds since the oldest event that waits was due; 0 when none is due."""
    quarantine: Quarantine


class AdminStore(BaseStore):
    """The operator's side of the store. All raise ``StoreUnavailable``."""

    def overview(self) -> Overview:
        """What refuses now, and how much was refused lately."""
        reply = self._fcall("overview", [], [DIALER_LIVENESS_MS, *self.policy.limits.clients])
        now, uses, breakers, refused, live, queued, dialers, closed, overdue, *rest = reply
        events, set_aside = rest
        return Overview(
            now=now,
            limits=tuple(_usage(uses)),
            open_breakers=tuple(
                Breaker(name.decode(), int(float(until))) for name, until in _pairs(breakers)
            ),
            refused={setting.decode(): count for setting, count in _pairs(refused)},
            live_calls=live,
            queued_calls=queued,
            dialers=dialers,
            closed_routes=tuple(Route(route.decode()) for route in closed),
            overdue_ms=overdue,
            pending_events={client.decode(): count for client, count, _ in events},
            events_overdue_ms={client.decode(): late for client, _, late in events},
            quarantine=decode_quarantine(set_aside),
        )

    def explain(self, number: NumberIdentity) -> Explanation:
        """Which limits hold a number, and what was refused to it."""
        keys = [self._keys.refusals(number.hash)]
        arguments = [number.hash, number.prefix_hash, number.area, *self.policy.limits.clients]
        now, gap_until, blocked_until, uses, refusals = self._fcall("explain", keys, arguments)
        return Explanation(
            now=now,
            gap_until=gap_until,
            blocked_until=blocked_until,
            limits=tuple(_usage(uses)),
            refusals=self._refusals(number.hash, refusals, now),
        )

    def _refusals(self, number: str, texts: Sequence[bytes], now: int) -> tuple[Refusal, ...]:
        """Decode those of a day: the list lives a day after the newest of them."""
        try:
            with decoding(f"refusals:{number}"):
                found = [msgspec.json.decode(text, type=Refusal) for text in texts]
        except UnreadableRecord as error:
            self.quarantine(error)
            return ()
        return tuple(refusal for refusal in found if refusal.at > now - DAY_MS)

    def clear(self, number: NumberIdentity, by: str) -> None:
        """Frees a number from its own limits and from those of its prefix and area."""
        arguments = [number.hash, number.prefix_hash, number.area, by, number.masked]
        self._fcall("clear", [], arguments)

    def block(self, number: NumberIdentity, seconds: int, by: str) -> int:
        """Has a number called no more for so long; how many queued calls were called off."""
        return self._block(number, seconds, by)

    def unblock(self, number: NumberIdentity, by: str) -> None:
        """Lets a number be called again."""
        self._block(number, 0, by)

    def find_by_number(self, number: NumberIdentity, by: str) -> list[Verification]:
        """The newest verifications of a number."""
        return self._find("number", number.hash, by, number.masked)

    def find_by_reference(self, reference: str, by: str) -> list[Verification]:
        """The newest verifications of a caller's reference, given by its name."""
        return self._find("reference", reference, by, "a reference")

    def find_by_id(self, verification_id: str, by: str) -> list[Verification]:
        """The one verification, or none."""
        return self._find("id", verification_id, by, verification_id)

    def forget(self, telephone: NumberIdentity, by: str) -> int:
        """Erases what is known of a number; how many verifications there were.

        What limits count, and a block, stay until they end. A number's record names its newest
        verifications only, so that all records are looked through: some seconds for a million.
        """
        number = telephone.hash
        keys = [self._keys.refusals(number)]
        verifications = self._records_of(number, self._keys.verification("*"))
        set_aside = self._records_of(number, self._keys.quarantined("*"))
        ids = [key.rpartition(":")[2] for key in verifications]
        arguments: list[Argument] = [number, by, telephone.masked, len(ids), *ids, *set_aside]
        _, erased = self._fcall("forget", keys, arguments)
        return int(erased)

    def _records_of(self, number: str, pattern: str) -> Iterator[str]:
        """Yield the keys that belong to a number, by their name or their field ``number``."""
        found = self.redis.scan_iter(pattern, count=_BATCH)

        def next_batch(_: object) -> list[tuple[str, object]]:
            keys = [key.decode() for key in islice(found, _BATCH)]
            owners = self.redis.pipeline(transaction=False)
            for key in keys:
                owners.hget(key, "number")
            numbers = owners.execute(raise_on_error=False)
            for each in numbers:
                if isinstance(each, Exception) and not is_wrong_type(each):
                    raise each
            return [*zip(keys, numbers, strict=True)]

        while batch := self._execute("forget", next_batch):
            for key, owner in batch:
                if owner == number.encode() or key.endswith(f":{number}"):
                    yield key

    def _block(self, number: NumberIdentity, seconds: int, by: str) -> int:
        arguments: list[Argument] = [number.hash, seconds * 1000, by, number.masked]
        _, called_off = self._fcall("block", [], arguments)
        return int(called_off)

    def _find(self, kind: str, what: str, by: str, masked: str) -> list[Verification]:
        _, *found = self._fcall("find", [], [kind, what, by, masked])
        verifications = [*self._found(found)]
        verifications.sort(key=lambda each: each.created_at, reverse=True)
        return verifications[:_MAX_FOUND]

    def _found(self, replies: Sequence[Sequence[Any]]) -> Iterator[Verification]:
        for reply in replies:
            try:
                answer = decode_result(reply)
            except UnreadableRecord as error:
                self.quarantine(error)
                continue
            if answer.verification:
                yield answer.verification


def _usage(rows: Sequence[Any]) -> Iterator[LimitUsage]:
    for client, limit, used, until in rows:
        yield LimitUsage(client.decode() or None, limit.decode(), used, until)


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
