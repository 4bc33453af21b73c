"""What was searched for: verifications with their timelines, and what holds a number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.api.console.status import LimitStatus, limit_statuses
from otpvoice.core.keys import DecryptionError, KeyRing, LogId, NumberHasher
from otpvoice.core.limits import CallLimits
from otpvoice.core.phone import mask_number, parse_written_number
from otpvoice.core.search import parse_query
from otpvoice.core.service import decrypt_number
from otpvoice.core.verification import Call, Verification
from otpvoice.store.admin import AdminStore, NumberIdentity, Refusal, identify_number
from otpvoice.store.search import search

_CODE_SPOKEN: Final = {
    True: "long enough to hear the code",
    False: "too short to hear the code",
    None: "not known whether the code was heard",
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened, or will."""

    time_ms: int
    css_class: str
    """How it is painted: ``good``, ``bad``, ``plain`` or ``ahead``."""
    title: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class FoundVerification:
    """One verification."""

    verification: Verification
    masked_number: str
    """Masked."""
    timeline: tuple[TimelineEntry, ...]


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """What holds a number."""

    masked_number: str
    """Masked."""
    number_hash: str
    now_ms: int
    log_id: LogId
    limits: tuple[LimitStatus, ...]
    gap_until_ms: int | None
    refusals: tuple[Refusal, ...]

    @property
    def refusing(self) -> tuple[LimitStatus, ...]:
        """What refuses it, the longest first."""
        full = [each for each in self.limits if each.until_ms]
        return tuple(sorted(full, key=lambda each: -(each.until_ms or 0)))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What came of a search."""

    verifications: tuple[FoundVerification, ...]
    description: str
    """What was searched, in one sentence."""
    limits: NumberLimits | None = None
    """Of the number, if one was searched for."""


@dataclass(frozen=True, slots=True)
class SearchService:
    """Looks into the store as ``otpvoice find`` does."""

    operations: AdminStore
    ring: KeyRing
    number_key: NumberHasher
    limits: CallLimits
    region: str | None
    """Where numbers without calling code belong; None if unknown."""

    def search(self, text: str, by: str) -> SearchResult:
        """Find what an operator typed: see :func:`otpvoice.core.search.parse_query`.

        Raises:
            InvalidNumber: it is written as a number, and there is no such number.
            StoreUnavailable: nothing is known.
        """
        query = parse_query(text, self.region)
        found = self._with_timelines(search(self.operations, query, self.number_key, by))
        telephone = query.number and identify_number(query.number, self.number_key)
        limits = self.explain(telephone) if telephone else None
        return SearchResult(found, query.describe(), limits)

    def parse_number(self, text: str) -> NumberIdentity:
        """The number behind what an operator typed.

        Raises:
            InvalidNumber: there is none.
        """
        return identify_number(parse_written_number(text, self.region), self.number_key)

    def explain(self, telephone: NumberIdentity) -> NumberLimits:
        """What holds a number now."""
        explained = self.operations.explain(telephone)
        gap = explained.gap_until
        return NumberLimits(
            masked_number=telephone.masked,
            number_hash=telephone.hash,
            now_ms=explained.now,
            log_id=telephone.log_id,
            limits=tuple(limit_statuses(explained.limits, self.limits, explained.now)),
            gap_until_ms=gap if gap > explained.now else None,
            refusals=explained.refusals,
        )

    def _with_timelines(self, verifications: list[Verification]) -> tuple[FoundVerification, ...]:
        return tuple(
            FoundVerification(it, self._mask_number(it), build_timeline(it)) for it in verifications
        )

    def _mask_number(self, verification: Verification) -> str:
        try:
            number = decrypt_number(self.ring, verification.id, verification.encrypted_number)
        except DecryptionError:
            return "a number whose key was dropped from the ring"
        return mask_number(number)


def build_timeline(verification: Verification) -> tuple[TimelineEntry, ...]:
    """What happened to a verification and its calls, in order."""
    steps = [
        TimelineEntry(verification.created_at, "plain", "Asked for", f"by {verification.client}")
    ]
    for number, call in enumerate(verification.calls, 1):
        steps += _call_entries(call, f"Call {number}")
    if verification.ended_at is None:
        steps.append(TimelineEntry(verification.expires_at, "ahead", "Expires"))
    else:
        kind = "good" if verification.status == "approved" else "bad"
        steps.append(
            TimelineEntry(
                verification.ended_at,
                kind,
                _spaced(verification.status).capitalize(),
                _spaced(verification.reason or ""),
            )
        )
    return tuple(sorted(steps, key=lambda step: step.time_ms))


def _call_entries(call: Call, name: str) -> Iterator[TimelineEntry]:
    way = f"by {call.route}, flow for {call.locale}"
    yield TimelineEntry(
        call.due_at, "ahead" if call.status == "queued" else "plain", f"{name}: due", way
    )
    if call.sent_at is not None:
        yield TimelineEntry(call.sent_at, "plain", f"{name}: sent to the provider")
    if call.placed_at is not None:
        yield TimelineEntry(call.placed_at, "plain", f"{name}: placed", "the provider took it")
    if call.ended_at is not None:
        kind = "good" if call.status == "answered" else "bad"
        yield TimelineEntry(
            call.ended_at, kind, f"{name}: {_spaced(call.status)}", ", ".join(_call_details(call))
        )
    elif call.status == "unknown":
        at = call.sent_at or call.due_at
        yield TimelineEntry(at, "bad", f"{name}: unknown", ", ".join(_call_details(call)))


def _call_details(call: Call) -> Iterator[str]:
    if call.reason:
        yield _spaced(call.reason)
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if call.status == "answered":
        yield _CODE_SPOKEN[call.heard]
    if call.raw:
        yield f"the provider said {call.raw}"


def _spaced(word: str) -> str:
    return word.replace("_", " ")
