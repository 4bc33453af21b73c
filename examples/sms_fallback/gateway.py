"""A simulated SMS gateway. As a real one, it accepts every SMS and may lose it silently."""

import threading
from collections import defaultdict


class SmsGateway:
    """Inboxes of phones in memory. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: defaultdict[str, list[str]] = defaultdict(list)
        self._unreachable: set[str] = set()

    def send(self, number: str, text: str) -> None:
        """Accept an SMS."""
        with self._lock:
            if number not in self._unreachable:
                self._inboxes[number].append(text)

    def drop_messages(self, number: str) -> None:
        """Lose all future SMS to a phone."""
        with self._lock:
            self._unreachable.add(number)

    def deliver_messages(self, number: str) -> None:
        """Deliver all future SMS to a phone."""
        with self._lock:
            self._unreachable.discard(number)

    def inbox(self, number: str) -> list[str]:
        """Return the SMS on a phone, oldest first."""
        with self._lock:
            return [*self._inboxes[number]]
