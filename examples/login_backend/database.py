"""What the backend remembers. Two rules need a database to decide them in one step."""

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
    ON CONFLICT (id) DO UPDATE SET (sequence, status, call, told_at) =
        (excluded.sequence, excluded.status, excluded.call, excluded.told_at)
    WHERE excluded.sequence > sequence
"""
_SCHEMA_FILE: Final = Path(__file__).with_name("schema.sql")


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the service, proven genuine."""

    webhook_id: str
    """The same each time that it is sent."""
    type: str
    sequence: int
    """Grows with every change of its verification."""
    timestamp: str
    verification_id: str
    reference: str
    status: str
    """Of the verification."""
    call: str
    """The state of its last call."""


class Database:
    """An SQLite file, which several processes may share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(_SCHEMA_FILE.read_text(encoding="utf-8"))

    def mark_receipt_used(self, verification_id: str) -> bool:
        """Whether its receipt is used for the first time. Of many who ask at once, one hears so."""
        now = time.time()
        with self._open() as database:
            database.execute("DELETE FROM used_receipts WHERE used_at < ?", [now - VALIDITY_S])
            # Looking first and writing then would let two in at once.
            done = database.execute(
                "INSERT INTO used_receipts VALUES (?, ?) ON CONFLICT DO NOTHING",
                [verification_id, now],
            )
            return done.rowcount == 1

    def store_event(self, event: Event) -> None:
        """Writes an event down: once, however often it comes, and in whatever order."""
        now = time.time()
        told = asdict(event) | {"now": now}
        with self._open() as database:
            database.execute("DELETE FROM events WHERE told_at < ?", [now - _DAY_S])
            database.execute("DELETE FROM verifications WHERE told_at < ?", [now - _DAY_S])
            if database.execute(_INSERT_EVENT, told).rowcount == 0:
                return  # a copy: whoever sends a mail for each event stops here
            database.execute(_UPDATE_VERIFICATION, told)

    def events_of(self, reference: str) -> dict[str, object]:
        """The events of a login, and how its newest verification stands."""
        with self._open() as database:
            events = database.execute(
                "SELECT type, sequence, timestamp FROM events WHERE reference = ?"
                " ORDER BY timestamp, sequence",
                [reference],
            ).fetchall()
            newest = database.execute(
                "SELECT status, call FROM verifications WHERE reference = ?"
                " ORDER BY told_at DESC LIMIT 1",
                [reference],
            ).fetchone()
        return {"events": [*map(dict, events)], "verification": newest and dict(newest)}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with closing(sqlite3.connect(self._path)) as database, database:
            database.row_factory = sqlite3.Row
            yield database
