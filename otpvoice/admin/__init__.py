"""Operators' queries about the service, its verifications and its numbers.

The command line and the console render the results, each in its own way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.admin.status import ServiceStatus, service_status
from otpvoice.core.errors import InvalidNumber
from otpvoice.core.keys import DecryptionError, KeyRing, NumberHasher, decrypt_number, mask_number
from otpvoice.core.phone import is_international, is_number_like, parse_written_number
from otpvoice.core.verification import Call, Route, Verification
from otpvoice.store.admin import AdminStore, NumberIdentity, NumberLimits, identify_number

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

    searched: list[str]
    """What the text was searched as: ``id``, ``number``, ``reference``."""
    number_error: str
    """Why digits were searched as a reference only."""
    verifications: list[FoundVerification]
    """The newest first."""
    limits: NumberLimits | None

    @property
    def description(self) -> str:
        """A sentence about what was searched. It does not repeat the text."""
        names = [f"an {name}" if name == "id" else f"a {name}" for name in self.searched]
        reason = f", not as a number: {self.number_error}" if self.number_error else "."
        return f"Searched as {' and as '.join(names)}{reason}"


@dataclass(frozen=True, slots=True)
class AdminService:
    """Combines the operator's side of the store with the settings.

    All methods raise ``StoreUnavailable`` if the store cannot serve.
    """

    store: AdminStore
    ring: KeyRing
    number_hasher: NumberHasher
    max_live_calls: int
    routes: tuple[Route, ...]
    region: str | None
    """The region of numbers without a calling code. None if there is no single one."""

    def status(self) -> ServiceStatus:
        """Return the status of the whole service."""
        return service_status(self.store.overview(), self.max_live_calls, self.routes)

    def parse_number(self, text: str) -> NumberIdentity:
        """Parse a number as people write it, whether its region is called or not.

        Raises:
            InvalidNumber: the text is not a phone number.
        """
        return identify_number(parse_written_number(text, self.region), self.number_hasher)

    def search(self, text: str, by: str) -> SearchResult:
        """Find verifications by id (``vrf_…``), number (``+…``, ``tel:…``) or reference.

        Other digits are searched as a number if they can be one, and as a reference, because
        clients may use numbers as references.

        Args:
            text: what the operator typed.
            by: the operator's name. The log records each search with it.

        Raises:
            InvalidNumber: the text is written as an international number but is none.
        """
        found: dict[str, list[Verification]] = {}
        identity, number_error = None, ""
        if text.startswith("vrf_"):
            found["id"] = self.store.find_by_id(text, by)
        else:
            try:
                if is_international(text) or is_number_like(text):
                    identity = self.parse_number(text)
                    found["number"] = self.store.find_by_number(identity, by)
            except InvalidNumber as error:
                if is_international(text):
                    raise
                number_error = str(error)
            if not is_international(text):
                reference = self.number_hasher.hash_attribute("reference", text)
                found["reference"] = self.store.find_by_reference(reference, by)
        by_id = {each.id: each for matches in found.values() for each in matches}
        newest_first = sorted(by_id.values(), key=lambda each: each.created_at, reverse=True)
        return SearchResult(
            searched=[*found],
            number_error=number_error,
            verifications=[FoundVerification(each, self._mask(each)) for each in newest_first],
            limits=self.store.explain(identity) if identity else None,
        )

    def _mask(self, verification: Verification) -> str | None:
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
