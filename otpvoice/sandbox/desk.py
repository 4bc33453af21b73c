"""The phones within reach: those of the page, however many numbers are called."""

from typing import Final

_CAPACITY: Final = 8


class PhoneList:
    """Phones in the order in which they were laid down; the one longest unused makes room.

    Not thread-safe: it is the network's, and under its lock.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._uses = 0
        self._last_use: dict[str, int] = {}

    @property
    def numbers(self) -> list[str]:
        """In the order of their places."""
        return [*self._last_use]

    def add(self, number: str) -> None:
        """A phone is used; one that lies there keeps its place."""
        self._uses += 1
        self._last_use[number] = self._uses
        if len(self._last_use) > self._capacity:
            del self._last_use[min(self._last_use, key=self._last_use.__getitem__)]

    def remove(self, number: str) -> None:
        """Its place is free."""
        self._last_use.pop(number, None)
