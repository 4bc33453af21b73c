"""The newest verifications as a list, for operators. The list is bounded (``NEWEST_MAX``)."""

from dataclasses import asdict, dataclass
from typing import Final

from otpvoice.core.verification import Verification
from otpvoice.store.functions import BaseStore, to_fields
from otpvoice.store.verifications import decode_result

_IDS_PER_RUN: Final = 100
"""Ids that one function goes through: the server serves nothing else for about 2 ms."""
_RESULTS_PER_RUN: Final = 25


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which verifications to list. An empty member selects all. Times in ms since 1970."""

    created_from_ms: int = 0
    created_before_ms: int = 0
    """0: no end."""
    client: str = ""
    status: str = ""
    reason: str = ""
    """Of the verification, or of a call that matches the rest."""
    region: str = ""
    prefix: str = ""
    """The beginning of a number, ``+`` included. The store knows all but the last six digits."""
    outcome: str = ""
    """Of a call: its status, ``open`` or ``refused`` as ``Calls.outcome`` in Lua counts it."""
    route: str = ""
    line: str = ""
    """The caller line of a call, in digits."""


@dataclass(frozen=True, slots=True)
class ListSlice:
    """What one run of the function found."""

    verifications: list[Verification]
    """The newest first. Their numbers are encrypted."""
    last: str
    """The id behind which the next slice begins."""
    has_more: bool
    is_lost: bool
    """The id is no longer in the list, so where to go on is not known."""


class NewestStore(BaseStore):
    """Lists the newest verifications. All methods raise ``StoreUnavailable``."""

    def list_newest(self, wanted: ListFilter, after: str, limit: int) -> ListSlice:
        """Return the next of the list that match, possibly none although more follow.

        Args:
            wanted: which of them.
            after: the id behind which to go on; empty: from the newest.
            limit: verifications to return at most.
        """
        reply = self._call(
            "list_newest",
            after=after or None,
            count=_IDS_PER_RUN,
            limit=min(limit, _RESULTS_PER_RUN),
            **{name: value or None for name, value in asdict(wanted).items()},
        )
        results = self._decode_each(decode_result, map(to_fields, reply[b"results"]))
        return ListSlice(
            verifications=[each.verification for each in results if each.verification],
            last=reply[b"last"].decode("utf-8", "replace"),
            has_more=bool(reply[b"has_more"]),
            is_lost=bool(reply[b"is_lost"]),
        )

    def log_listing(self, by: str, listed: int) -> None:
        """Log that an operator lists verifications, before they are shown."""
        self._call("list_newest", operator=by, listed=listed)
