"""The newest verifications as a list, page by page or whole."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.admin import AdminService, FoundVerification
from otpvoice.core.keys import DecryptionError, decrypt_number
from otpvoice.store.admin import NumberIdentity
from otpvoice.store.newest import ListFilter, ListSlice

PAGE_SIZE: Final = 50
_MAX_SECONDS: Final = 2.0
"""A page ends after this time, even if it has few verifications that match."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the list."""

    verifications: list[FoundVerification]
    """The newest first."""
    next_after: str
    """The id behind which the next page begins; empty if nothing older is in the list."""
    is_late: bool
    """The time was over before the page was full."""
    is_lost: bool
    """The place from which to go on is no longer in the list."""


def list_page(admin: AdminService, wanted: ListFilter, after: str, by: str) -> ListPage:
    """Return the verifications behind ``after`` that match, and log who lists them.

    Raises:
        StoreUnavailable: the store cannot serve.
    """
    found: list[FoundVerification] = []
    last, has_more, is_lost = after, True, False
    deadline = time.monotonic() + _MAX_SECONDS
    while has_more and len(found) < PAGE_SIZE and time.monotonic() < deadline:
        part = admin.store.list_newest(wanted, last, PAGE_SIZE - len(found))
        found += _masked(admin, part)
        last, has_more, is_lost = part.last, part.has_more, part.is_lost
    admin.store.log_listing(by, len(found))
    is_late = has_more and len(found) < PAGE_SIZE
    return ListPage(found, last if has_more else "", is_late, is_lost)


def list_all(admin: AdminService, wanted: ListFilter) -> Iterator[list[FoundVerification]]:
    """Yield everything in the list that matches, once, some at a time. Some may be empty.

    A place from which to go on can leave the list meanwhile: its verification is erased, or newer
    ones displace it. Then it goes on from the place before.

    Raises:
        StoreUnavailable: the store cannot serve.
    """
    places, shown = [""], set[str]()
    has_more = True
    while has_more:
        part = admin.store.list_newest(wanted, places[-1], PAGE_SIZE)
        if part.is_lost:
            places.pop()
            continue
        found = [each for each in _masked(admin, part) if each.verification.id not in shown]
        shown.update(each.verification.id for each in found)
        places.append(part.last)
        has_more = part.has_more
        yield found


def number_of(admin: AdminService, verification_id: str, by: str) -> NumberIdentity | None:
    """Return the number of a verification. None if either is no longer known.

    Raises:
        StoreUnavailable: the store cannot serve.
    """
    for each in admin.store.find_by_id(verification_id, by):
        try:
            number = decrypt_number(admin.ring, each.id, each.encrypted_number)
        except DecryptionError:
            return None
        return admin.parse_number(number)
    return None


def _masked(admin: AdminService, part: ListSlice) -> list[FoundVerification]:
    return [FoundVerification(each, admin.mask(each)) for each in part.verifications]
