"""What is wrong with the settings, all of it at once."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvalidSetting:
    """One field that stops the start. Its text never repeats a secret."""

    name: str
    """Dotted: ``provider.timezone``, ``clients.login-backend.key_sha256[0]``."""
    source: str
    """The file or the variable that it came from, or why there is none."""
    detail: str

    def __str__(self) -> str:
        return f"{self.name} ({self.source}): {self.detail}"


class SettingsError(Exception):
    """The settings can not be used; ``wrong`` names every field that was found wrong."""

    def __init__(self, invalid: Sequence[InvalidSetting]) -> None:
        super().__init__("\n  ".join(["The settings are wrong:", *map(str, invalid)]))
        self.invalid = tuple(invalid)
