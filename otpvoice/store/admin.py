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
from otpvoice.store.base import HEARD_WITHIN, Rulebook
from otpvoice.store.connections import Argument
from otpvoice.store.decoding import read_answer, read_set_aside
from otpvoice.store.models import SetAsides
from otpvoice.store.replies import is_wrong_type
from otpvoice.store.schema import UnreadableRecord, decoding

_NEWEST: Final = 20
"""Verifications that are found at most."""
_BATCH: Final = 1000
"""Keys that are looked at in one round trip."""


@dataclass(frozen=True, slots=True)
class Telephone:
    """A number as the store knows it."""

    name: str
    prefix: str
    """The name of its prefix."""
    area: str
    masked: str
    """For the log."""

    @property
    def log_id(self) -> LogId:
        """The id by which log lines name the number."""
        return LogId.from_hash(self.name)


def telephone_of(number: Number, number_key: NumberHasher) -> Telephone:
    """The number as the store knows it."""
    return Telephone(
        name=number_key.hash(number.e164),
        prefix=number_key.hash_attribute("prefix", number.prefix),
        area=number.area,
        masked=mask_number(number.e164),
    )


@dataclass(frozen=True, slots=True)
class Use:
    """How far one limit is used up."""

    client: str | None
    """Whose limit it is; None for numbers and the whole service."""
    limit: str
    used: int
    until: int
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
    uses: tuple[Use, ...]
    refusals: tuple[Refusal, ...]
    """The newest first, of a day."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open one."""

    name: str
    """With what it is open for: ``conversion_breaker area +919876``."""
    until: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What refuses."""

    now: int
    uses: tuple[Use, ...]
    breakers: tuple[Breaker, ...]
    refused: dict[str, int]
    """By setting, in the last hour."""
    live: int
    queued: int
    dialers: int
    closed_routes: tuple[Route, ...]
    overdue: int
    """Milliseconds since the oldest call that waits was due; 0 when none is due."""
    events: dict[str, int]
    """By client: those that wait, or are told right now."""
    events_overdue: dict[str, int]
    """By client: milliseconds since the oldest event that waits was due; 0 when none is due."""
    set_aside: SetAsides


class Operations(Rulebook):
    """The operator's side of the store. All raise ``StoreUnavailable``."""

    def overview(self) -> Overview:
        """What refuses now, and how much was refused lately."""
        reply = self._run("overview", [], [HEARD_WITHIN, *self.rules.limits.clients])
        now, uses, breakers, refused, live, queued, dialers, closed, overdue, *rest = reply
        events, set_aside = rest
        return Overview(
            now=now,
            uses=tuple(_uses(uses)),
            breakers=tuple(
                Breaker(name.decode(), int(float(until))) for name, until in _pairs(breakers)
            ),
            refused={setting.decode(): count for setting, count in _pairs(refused)},
            live=live,
            queued=queued,
            dialers=dialers,
            closed_routes=tuple(Route(route.decode()) for route in closed),
            overdue=overdue,
            events={client.decode(): count for client, count, _ in events},
            events_overdue={client.decode(): late for client, _, late in events},
            set_aside=read_set_aside(set_aside),
        )

    def explain(self, telephone: Telephone) -> Explanation:
        """Which limits hold a number, and what was refused to it."""
        keys = [self._keys.refusals(telephone.name)]
        arguments = [telephone.name, telephone.prefix, telephone.area, *self.rules.limits.clients]
        now, gap_until, blocked_until, uses, refusals = self._run("explain", keys, arguments)
        return Explanation(
            now=now,
            gap_until=gap_until,
            blocked_until=blocked_until,
            uses=tuple(_uses(uses)),
            refusals=self._refusals(telephone.name, refusals, now),
        )

    def _refusals(self, number: str, texts: Sequence[bytes], now: int) -> tuple[Refusal, ...]:
        """Decode those of a day: the list lives a day after the newest of them."""
        try:
            with decoding(f"refusals:{number}"):
                found = [msgspec.json.decode(text, type=Refusal) for text in texts]
        except UnreadableRecord as error:
            self.set_aside(error)
            return ()
        return tuple(refusal for refusal in found if refusal.at > now - DAY_MS)

    def clear(self, telephone: Telephone, by: str) -> None:
        """Frees a number from its own limits and from those of its prefix and area."""
        arguments = [telephone.name, telephone.prefix, telephone.area, by, telephone.masked]
        self._run("clear", [], arguments)

    def block(self, telephone: Telephone, seconds: int, by: str) -> int:
        """Has a number called no more for so long; how many queued calls were called off."""
        return self._block(telephone, seconds, by)

    def unblock(self, telephone: Telephone, by: str) -> None:
        """Lets a number be called again."""
        self._block(telephone, 0, by)

    def find_by_number(self, telephone: Telephone, by: str) -> list[Verification]:
        """The newest verifications of a number."""
        return self._find("number", telephone.name, by, telephone.masked)

    def find_by_reference(self, reference: str, by: str) -> list[Verification]:
        """The newest verifications of a caller's reference, given by its name."""
        return self._find("reference", reference, by, "a reference")

    def find_by_id(self, verification_id: str, by: str) -> list[Verification]:
        """The one verification, or none."""
        return self._find("id", verification_id, by, verification_id)

    def forget(self, telephone: Telephone, by: str) -> int:
        """Erases what is known of a number; how many verifications there were.

        What limits count, and a block, stay until they end. A number's record names its newest
        verifications only, so that all records are looked through: some seconds for a million.
        """
        number = telephone.name
        keys = [self._keys.refusals(number)]
        verifications = self._records_of(number, self._keys.verification("*"))
        set_aside = self._records_of(number, self._keys.set_aside("*"))
        ids = [key.rpartition(":")[2] for key in verifications]
        arguments: list[Argument] = [number, by, telephone.masked, len(ids), *ids, *set_aside]
        _, erased = self._run("forget", keys, arguments)
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

        while batch := self._command("forget", next_batch):
            for key, owner in batch:
                if owner == number.encode() or key.endswith(f":{number}"):
                    yield key

    def _block(self, telephone: Telephone, seconds: int, by: str) -> int:
        arguments: list[Argument] = [telephone.name, seconds * 1000, by, telephone.masked]
        _, called_off = self._run("block", [], arguments)
        return int(called_off)

    def _find(self, kind: str, what: str, by: str, masked: str) -> list[Verification]:
        _, *found = self._run("find", [], [kind, what, by, masked])
        verifications = [*self._found(found)]
        verifications.sort(key=lambda each: each.created_at, reverse=True)
        return verifications[:_NEWEST]

    def _found(self, replies: Sequence[Sequence[Any]]) -> Iterator[Verification]:
        for reply in replies:
            try:
                answer = read_answer(reply)
            except UnreadableRecord as error:
                self.set_aside(error)
                continue
            if answer.verification:
                yield answer.verification


def _uses(rows: Sequence[Any]) -> Iterator[Use]:
    for client, limit, used, until in rows:
        yield Use(client.decode() or None, limit.decode(), used, until)


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
