"""A pretend SMS gateway. Like a real one it takes every message, and may lose it without a word."""

import threading
from collections import defaultdict


class SmsGateway:
    """Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: defaultdict[str, list[str]] = defaultdict(list)
        self._unreachable: set[str] = set()

    def send(self, number: str, text: str) -> None:
        """Takes a message."""
        with self._lock:
            if number not in self._unreachable:
                self._inboxes[number].append(text)

    def drop_messages(self, number: str) -> None:
        """From now on no message reaches this phone."""
        with self._lock:
            self._unreachable.add(number)

    def deliver_messages(self, number: str) -> None:
        """From now on messages reach this phone."""
        with self._lock:
            self._unreachable.discard(number)

    def inbox(self, number: str) -> list[str]:
        """The messages on this phone, oldest first."""
        with self._lock:
            return [*self._inboxes[number]]
