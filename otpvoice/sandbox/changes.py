"""The company's one lock, which knows how often something happened."""

from threading import Condition


class ChangeCondition(Condition):
    """A condition that counts its notices, so that who looks now and then misses none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        """Changes only under the lock."""

    def notify_all(self) -> None:
        """Something happened."""
        self.count += 1
        super().notify_all()
