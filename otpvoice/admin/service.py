"""Operators' queries about the service, its verifications and its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.admin.limits import NumberLimits, number_limits
from otpvoice.admin.search import Query, parse_query
from otpvoice.admin.status import ServiceStatus, service_status
from otpvoice.core.keys import DecryptionError, KeyRing, NumberHasher, decrypt_number
from otpvoice.core.limits import CallLimits
from otpvoice.core.phone import mask_number, parse_written_number
from otpvoice.core.verification import Call, Route, Verification
from otpvoice.store.admin import AdminStore, NumberIdentity, identify_number

RETENTION_NOTE: Final = (
    "Verifications are kept for verification.retention after their end, "
    "and for an hour if no call was sent and nothing was approved."
)


_CODE_HEARD: Final = {
    True: "long enough to hear the code",
    False: "too short to hear the code",
    None: "not known whether the code was heard",
}


@dataclass(frozen=True, slots=True)
class FoundVerification:
    """A verification that matches a search."""

    verification: Verification
    masked_number: str | None
    """None if the key that encrypted the number is no longer in the ring."""

    @property
    def number_text(self) -> str:
        """The masked number, or the reason why there is none."""
        return self.masked_number or "a number whose key was dropped from the ring"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Verifications that match a search, and the limits of the number if it was one."""

    query: Query
    verifications: tuple[FoundVerification, ...]
    """The newest first."""
    limits: NumberLimits | None


@dataclass(frozen=True, slots=True)
class AdminService:
    """Combines the operator's side of the store with the settings.

    All methods raise ``StoreUnavailable`` if the store cannot serve.
    """

    store: AdminStore
    ring: KeyRing
    number_hasher: NumberHasher
    limits: CallLimits
    max_live_calls: int
    routes: tuple[Route, ...]
    region: str | None
    """The region of numbers without a calling code. None if there is no single one."""

    def status(self) -> ServiceStatus:
        """Return the status of the whole service."""
        return service_status(self.store.overview(), self.limits, self.max_live_calls, self.routes)

    def parse_number(self, text: str) -> NumberIdentity:
        """Parse a number as people write it, whether its region is called or not.

        Raises:
            InvalidNumber: the text is not a phone number.
        """
        return identify_number(parse_written_number(text, self.region), self.number_hasher)

    def explain(self, identity: NumberIdentity) -> NumberLimits:
        """Return the limits that apply to calls to a number now."""
        return number_limits(self.store.explain(identity), identity, self.limits)

    def search(self, text: str, by: str) -> SearchResult:
        """Find verifications by number, id or reference (``admin.search.parse_query``).

        Args:
            text: what the operator typed.
            by: the operator's name. The log records each search with it.

        Raises:
            InvalidNumber: the text is written as an international number but is none.
        """
        query = parse_query(text, self.region)
        identity = identify_number(query.number, self.number_hasher) if query.number else None
        found = [
            FoundVerification(each, self._mask_number(each))
            for each in self._find(query, identity, by)
        ]
        limits = self.explain(identity) if identity else None
        return SearchResult(query, tuple(found), limits)

    def _find(self, query: Query, identity: NumberIdentity | None, by: str) -> list[Verification]:
        found: list[Verification] = []
        if query.verification_id is not None:
            found += self.store.find_by_id(query.verification_id, by)
        if identity is not None:
            found += self.store.find_by_number(identity, by)
        if query.reference is not None:
            reference = self.number_hasher.hash_attribute("reference", query.reference)
            found += self.store.find_by_reference(reference, by)
        by_id = {each.id: each for each in found}
        return sorted(by_id.values(), key=lambda each: each.created_at, reverse=True)

    def _mask_number(self, verification: Verification) -> str | None:
        try:
            number = decrypt_number(self.ring, verification.id, verification.encrypted_number)
        except DecryptionError:
            return None
        return mask_number(number)


def describe_result(call: Call) -> Iterator[str]:
    """Yield what is known about an ended call: its duration, the code, the provider's word."""
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if call.status == "answered":
        yield _CODE_HEARD[call.heard]
    if call.raw:
        yield f"the provider said {call.raw}"
