"""What was searched for: verifications with their timelines, and what holds a number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.api.console.status import Usage, usages
from otpvoice.core.keys import KeyRing, LogId, NumberKey, SealBroken
from otpvoice.core.limits import CallLimits
from otpvoice.core.phone import mask_number, parse_written_number
from otpvoice.core.search import parse_query
from otpvoice.core.service import open_number
from otpvoice.core.verification import Call, Verification
from otpvoice.store.admin import Operations, Refusal, Telephone, telephone_of
from otpvoice.store.search import find

_HEARD: Final = {
    True: "long enough to hear the code",
    False: "too short to hear the code",
    None: "not known whether the code was heard",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, or will."""

    at: int
    kind: str
    """How it is painted: ``good``, ``bad``, ``plain`` or ``ahead``."""
    title: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One verification."""

    it: Verification
    number: str
    """Masked."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """What holds a number."""

    number: str
    """Masked."""
    number_hash: str
    now: int
    name_in_logs: LogId
    usages: tuple[Usage, ...]
    gap_until: int | None
    refusals: tuple[Refusal, ...]

    @property
    def holding(self) -> tuple[Usage, ...]:
        """What refuses it, the longest first."""
        full = [each for each in self.usages if each.until]
        return tuple(sorted(full, key=lambda each: -(each.until or 0)))


@dataclass(frozen=True, slots=True)
class Search:
    """What came of a search."""

    found: tuple[Found, ...]
    searched: str
    """What was searched, in one sentence."""
    limits: NumberLimits | None = None
    """Of the number, if one was searched for."""


@dataclass(frozen=True, slots=True)
class Searcher:
    """Looks into the store as ``otpvoice find`` does."""

    operations: Operations
    ring: KeyRing
    number_key: NumberKey
    limits: CallLimits
    region: str | None
    """Where numbers without calling code belong; None if unknown."""

    def search(self, what: str, by: str) -> Search:
        """Find what an operator typed: see :func:`otpvoice.core.search.parse_query`.

        Raises:
            InvalidNumber: it is written as a number, and there is no such number.
            StoreUnavailable: nothing is known.
        """
        query = parse_query(what, self.region)
        found = self._told(find(self.operations, query, self.number_key, by))
        telephone = query.number and telephone_of(query.number, self.number_key)
        limits = self.explain(telephone) if telephone else None
        return Search(found, query.describe(), limits)

    def telephone(self, text: str) -> Telephone:
        """The number behind what an operator typed.

        Raises:
            InvalidNumber: there is none.
        """
        return telephone_of(parse_written_number(text, self.region), self.number_key)

    def explain(self, telephone: Telephone) -> NumberLimits:
        """What holds a number now."""
        explained = self.operations.explain(telephone)
        gap = explained.gap_until
        return NumberLimits(
            number=telephone.masked,
            number_hash=telephone.name,
            now=explained.now,
            name_in_logs=telephone.log_id,
            usages=tuple(usages(explained.uses, self.limits, explained.now)),
            gap_until=gap if gap > explained.now else None,
            refusals=explained.refusals,
        )

    def _told(self, verifications: list[Verification]) -> tuple[Found, ...]:
        return tuple(Found(it, self._masked(it), timeline(it)) for it in verifications)

    def _masked(self, verification: Verification) -> str:
        try:
            number = open_number(self.ring, verification.id, verification.sealed_number)
        except SealBroken:
            return "a number whose key was dropped from the ring"
        return mask_number(number)


def timeline(it: Verification) -> tuple[Step, ...]:
    """What happened to a verification and its calls, in order."""
    steps = [Step(it.created_at, "plain", "Asked for", f"by {it.client}")]
    for number, call in enumerate(it.calls, 1):
        steps += _steps_of(call, f"Call {number}")
    if it.ended_at is None:
        steps.append(Step(it.expires_at, "ahead", "Expires"))
    else:
        kind = "good" if it.status == "approved" else "bad"
        steps.append(
            Step(it.ended_at, kind, _words(it.status).capitalize(), _words(it.reason or ""))
        )
    return tuple(sorted(steps, key=lambda step: step.at))


def _steps_of(call: Call, name: str) -> Iterator[Step]:
    way = f"by {call.route}, flow for {call.locale}"
    yield Step(call.due_at, "ahead" if call.status == "queued" else "plain", f"{name}: due", way)
    if call.sent_at is not None:
        yield Step(call.sent_at, "plain", f"{name}: sent to the provider")
    if call.placed_at is not None:
        yield Step(call.placed_at, "plain", f"{name}: placed", "the provider took it")
    if call.ended_at is not None:
        kind = "good" if call.status == "answered" else "bad"
        yield Step(call.ended_at, kind, f"{name}: {_words(call.status)}", ", ".join(_details(call)))
    elif call.status == "unknown":
        at = call.sent_at or call.due_at
        yield Step(at, "bad", f"{name}: unknown", ", ".join(_details(call)))


def _details(call: Call) -> Iterator[str]:
    if call.reason:
        yield _words(call.reason)
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if call.status == "answered":
        yield _HEARD[call.heard]
    if call.raw:
        yield f"the provider said {call.raw}"


def _words(word: str) -> str:
    return word.replace("_", " ")
