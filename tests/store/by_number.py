"""What a driver does with a number instead of an id: the newest verification is meant."""

from typing import Any

from store.driver import StoreDriver
from store.new_verifications import NUMBERS
from support.service import ASHA

from otpvoice.core.store_port import Idempotency, NewestOf, StoreResult
from otpvoice.core.verification import EndReason, Status


def newest_of(to: str = ASHA, reference: str | None = None) -> NewestOf:
    """Return what means the newest verification of a number, or of a number and a reference."""
    reference_hash = NUMBERS.hash_attribute("reference", reference or "")
    return NewestOf(NUMBERS.hash(to), reference, reference_hash)


def check(
    driver: StoreDriver,
    code: str,
    client: str = "login",
    idempotency: Idempotency | None = None,
    **of: Any,
) -> StoreResult:
    """Submit one code; ``of`` as in :func:`newest_of`."""
    newest = newest_of(**of)
    digests = driver.ring.digests("create", client, newest.number_hash, code)
    return driver.store.check(newest, client, len(code), digests, idempotency)


def look_up(driver: StoreDriver, client: str = "login", **of: Any) -> StoreResult:
    """Read a verification; ``of`` as in :func:`newest_of`."""
    return driver.store.get(newest_of(**of), client)


def approve(driver: StoreDriver, client: str = "login", **of: Any) -> StoreResult:
    """Approve a verification; ``of`` as in :func:`newest_of`."""
    end = (Status.APPROVED, EndReason.APPROVED_ELSEWHERE)
    return driver.store.close_verification(newest_of(**of), client, *end)
