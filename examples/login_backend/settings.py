"""Settings of the backend. They come from its environment: no secret is in the code or the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the backend.

    Raises:
        ValueError: the session secret is too short.
    """

    origin: str
    """Origin of the login in browsers, as in ``https://login.example.com``."""
    otpvoice_url: str
    """The service's ``server.public_url``, which is also the ``iss`` of receipts."""
    api_key: str = field(repr=False)
    client: str
    """The client's name in the service's settings, which is also the ``aud`` of receipts."""
    event_secret: str = field(repr=False)
    """``whsec_…``"""
    session_secret: str = field(repr=False)
    """Signs the sessions. At least 32 characters, as from ``openssl rand -base64 32``."""
    database: Path
    framed_by: str = ""
    """Origin of a page that may embed the login; empty: none may."""
    region: str = "IN"
    """ISO 3166 code of the country whose national numbers the form accepts."""
    suggested_number: str = ""
    """Initial value of the form's number, for a demo."""

    def __post_init__(self) -> None:
        if len(self.session_secret) < 32:
            raise ValueError("SESSION_SECRET must have at least 32 characters")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            KeyError: a variable is missing.
            ValueError: the session secret is too short.
        """
        return cls(
            origin=environ["LOGIN_ORIGIN"],
            otpvoice_url=environ["OTPVOICE_URL"],
            api_key=environ["OTPVOICE_API_KEY"],
            client=environ["OTPVOICE_CLIENT"],
            event_secret=environ["OTPVOICE_EVENT_SECRET"],
            session_secret=environ["SESSION_SECRET"],
            database=Path(environ["LOGIN_DATABASE"]),
            framed_by=environ.get("LOGIN_FRAMED_BY", ""),
            region=environ.get("LOGIN_REGION", "IN"),
            suggested_number=environ.get("LOGIN_NUMBER", ""),
        )
