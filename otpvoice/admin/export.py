"""Verifications for auditors: decrypted numbers, and the records that cannot be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otpvoice.core.keys import DecryptionError, KeyRing, decrypt_number, with_transaction
from otpvoice.core.verification import Verification
from otpvoice.store.admin import AdminStore
from otpvoice.store.export import ExportSelection, UnreadableExport


@dataclass(frozen=True, slots=True)
class ExportedVerification:
    """A verification of an export."""

    verification: Verification
    number: str
    """As it is to be shown."""


@dataclass(frozen=True, slots=True)
class SkippedRecord:
    """A record that is left out of an export."""

    record: str
    """Its name: ``verification:<id>``, or ``call:<id>`` of a verification that is exported."""
    reason: str


def export_verifications(
    store: AdminStore, ring: KeyRing, selection: ExportSelection, show_number: Callable[[str], str]
) -> Iterator[ExportedVerification | SkippedRecord]:
    """Yield the selected verifications, and what cannot be exported.

    Args:
        store: read in slices, so memory does not depend on the number of verifications.
        ring: decrypts the numbers.
        selection: which of them.
        show_number: the form of a number, such as :func:`otpvoice.core.keys.mask_number`.

    Raises:
        StoreUnavailable: the store cannot serve. What was yielded until then is incomplete.
    """
    for found in store.export(selection):
        if isinstance(found, UnreadableExport):
            yield SkippedRecord(found.record, "it cannot be decoded, or is missing")
            continue
        try:
            number = decrypt_number(ring, found.id, found.encrypted_number)
            verification = with_transaction(ring, found)
        except DecryptionError:
            reason = "no key of the ring decrypts its number or its transaction"
            yield SkippedRecord(f"verification:{found.id}", reason)
        else:
            yield ExportedVerification(verification, show_number(number))
