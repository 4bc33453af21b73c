"""Used receipts and received events, in SQLite.

A receipt can be used once, and a repeated event counts once. The database decides both atomically.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from login_backend.receipts import VALIDITY_S

_DAY_S: Final = 86_400
_INSERT_EVENT: Final = """
    INSERT INTO events VALUES (:webhook_id, :reference, :type, :sequence, :timestamp, :now)
    ON CONFLICT DO NOTHING
"""
_UPDATE_VERIFICATION: Final = """
    INSERT INTO verifications VALUES (:verification_id, :reference, :sequence, :status, :call, :now)
    ON CONFLICT (id) DO UPDATE SET (sequence, status, call, received_at) =
        (excluded.sequence, excluded.status, excluded.call, excluded.received_at)
    WHERE excluded.sequence > sequence
"""
_SCHEMA_FILE: Final = Path(__file__).with_name("schema.sql")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the service, with a verified signature."""

    webhook_id: str
    """The same for each delivery of the event."""
    type: str
    sequence: int
    """Increases with every change of the verification."""
    timestamp: str
    verification_id: str
    reference: str
    status: str
    """Status of the verification."""
    call: str
    """Status of its last call."""


class Database:
    """An SQLite file, which several processes may share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(_SCHEMA_FILE.read_text(encoding="utf-8"))

    def mark_receipt_used(self, verification_id: str) -> bool:
        """Mark a receipt as used; return whether it is the first use, for one caller only."""
        now = time.time()
        with self._open() as database:
            database.execute("DELETE FROM used_receipts WHERE used_at < ?", [now - VALIDITY_S])
            # A SELECT before the INSERT would be a race that lets two requests in.
            result = database.execute(
                "INSERT INTO used_receipts VALUES (?, ?) ON CONFLICT DO NOTHING",
                [verification_id, now],
            )
            return result.rowcount == 1

    def store_event(self, event: Event) -> None:
        """Store an event once, however often and in whatever order it is delivered."""
        now = time.time()
        values = asdict(event) | {"now": now}
        with self._open() as database:
            database.execute("DELETE FROM events WHERE received_at < ?", [now - _DAY_S])
            database.execute("DELETE FROM verifications WHERE received_at < ?", [now - _DAY_S])
            if database.execute(_INSERT_EVENT, values).rowcount == 0:
                return  # a repeated delivery: a backend that acts on events stops here
            database.execute(_UPDATE_VERIFICATION, values)

    def events_of(self, reference: str) -> dict[str, object]:
        """Return the events of a login and the status of its newest verification."""
        with self._open() as database:
            events = database.execute(
                "SELECT type, sequence, timestamp FROM events WHERE reference = ?"
                " ORDER BY timestamp, sequence",
                [reference],
            ).fetchall()
            newest = database.execute(
                "SELECT status, call FROM verifications WHERE reference = ?"
                " ORDER BY received_at DESC LIMIT 1",
                [reference],
            ).fetchone()
        return {"events": [*map(dict, events)], "verification": newest and dict(newest)}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one transaction."""
        with closing(sqlite3.connect(self._path)) as database, database:
            database.row_factory = sqlite3.Row
            yield database
