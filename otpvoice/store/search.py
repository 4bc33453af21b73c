"""Operators' searches: every reading of the search text is looked up, the results are merged."""

from otpvoice.core.keys import NumberHasher
from otpvoice.core.search import Query
from otpvoice.core.verification import Verification
from otpvoice.store.admin import AdminStore, identify_number


def search(
    admin_store: AdminStore, query: Query, number_key: NumberHasher, by: str
) -> list[Verification]:
    """Return the verifications that match, each once, the newest first.

    Args:
        admin_store: the store to search. Each lookup is logged there.
        query: what to look for.
        number_key: hashes numbers and references.
        by: who searches, for the log.

    Raises:
        StoreUnavailable: nothing is known.
    """
    found: list[Verification] = []
    if query.verification_id is not None:
        found += admin_store.find_by_id(query.verification_id, by)
    if query.number is not None:
        found += admin_store.find_by_number(identify_number(query.number, number_key), by)
    if query.reference is not None:
        reference = number_key.hash_attribute("reference", query.reference)
        found += admin_store.find_by_reference(reference, by)
    by_id = {each.id: each for each in found}
    return sorted(by_id.values(), key=lambda each: each.created_at, reverse=True)
