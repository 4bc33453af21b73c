"""Reading all verifications of a time, some at a time: memory does not depend on their number."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from otpvoice.core.verification import Verification, format_utc
from otpvoice.store import UnreadableRecord
from otpvoice.store.functions import BaseStore, to_fields
from otpvoice.store.verifications import decode_result

_SCAN_BATCH: Final = 1000
"""Keys that one command of the scan visits."""
_READ_BATCH: Final = 25
"""Verifications that one function reads: the server serves nothing else for about 2 ms."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """The verifications that an export has. Times in milliseconds since 1970."""

    created_from_ms: int
    created_before_ms: int
    number_hash: str | None = None
    """None: of all numbers."""
    masked_number: str | None = None
    """For the log."""


@dataclass(frozen=True, slots=True)
class UnreadableExport:
    """A record that cannot be exported."""

    record: str
    """Its key without the prefix: ``verification:<id>``, or ``call:<id>``."""


class ExportStore(BaseStore):
    """Reads verifications for an export. All methods raise ``StoreUnavailable``."""

    def log_export(self, selection: ExportSelection, by: str, *, whole_numbers: bool) -> None:
        """Log that an operator exports verifications, before the first one is read."""
        self._call(
            "export",
            operator=by,
            created_from=format_utc(selection.created_from_ms),
            created_before=format_utc(selection.created_before_ms),
            number=selection.number_hash,
            to=selection.masked_number,
            whole_numbers=whole_numbers,
        )

    def export(self, selection: ExportSelection) -> Iterator[Verification | UnreadableExport]:
        """Yield each selected verification, in no order.

        A verification that is created or expires meanwhile may be missing. One may come twice if
        the server resizes its table meanwhile (SCAN), so compare the ids.
        """
        for ids in self._verification_ids():
            reply = self._call(
                "export",
                id=ids,
                created_from_ms=selection.created_from_ms,
                created_before_ms=selection.created_before_ms,
                number=selection.number_hash,
            )
            for record in reply[b"unreadable"]:
                yield UnreadableExport(record.decode("utf-8", "replace"))
            for fields in reply[b"results"]:
                try:
                    verification = decode_result(to_fields(fields)).verification
                except UnreadableRecord as error:
                    self.quarantine(error)
                    yield UnreadableExport(error.record)
                else:
                    if verification:
                        yield verification

    def _verification_ids(self) -> Iterator[list[str]]:
        prefix = self._keys.of("verification", "")
        found = self.redis.scan_iter(f"{prefix}*", count=_SCAN_BATCH)

        def next_ids(_: object) -> list[str]:
            keys = islice(found, _READ_BATCH)
            return [key.decode("utf-8", "replace").removeprefix(prefix) for key in keys]

        while ids := self._execute("export", next_ids):
            yield ids
