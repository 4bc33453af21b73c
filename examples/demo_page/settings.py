"""What the page has to be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them."""

    login_origin: str
    """Origin of the login, which lets this page frame it."""
    sandbox_url: str
    """Of the sandbox, which lets it, too."""
    service_url: str
    """URL of the API."""
    api_key: str = field(repr=False)
    """Shown on the page: it opens this demo and ends with it."""
    number: str
    """Of the phone that is answered by hand."""
    log_folder: Path
    """Where the logs are."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Those of the environment.

        Raises:
            KeyError: the variable of this name is missing.
        """
        return cls(
            login_origin=environ["LOGIN_ORIGIN"],
            sandbox_url=environ["SANDBOX_URL"],
            service_url=environ["OTPVOICE_URL"],
            api_key=environ["OTPVOICE_API_KEY"],
            number=environ["DEMO_NUMBER"],
            log_folder=Path(environ["DEMO_FOLDER"]),
        )
