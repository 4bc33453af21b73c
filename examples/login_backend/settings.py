"""What the backend has to be told. Nothing of it is in the code, and no secret in the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them.

    Raises:
        ValueError: the session secret is too short to be one.
    """

    origin: str
    """Where browsers find this login, as in ``https://login.example.com``."""
    otpvoice_url: str
    """Of the service, as its ``server.public_url`` has it: also the ``iss`` of receipts."""
    api_key: str = field(repr=False)
    client: str
    """The name that goes with that key in the service's settings: the ``aud`` of receipts."""
    event_secret: str = field(repr=False)
    """``whsec_…``"""
    session_secret: str = field(repr=False)
    """Signs the sessions: at least 32 characters, made by ``openssl rand -base64 32``."""
    database: Path
    framed_by: str = ""
    """Origin of a page that may show ours in a frame; empty: none may."""
    region: str = "IN"
    """The country whose national numbers the form takes, an ISO 3166 code of two letters."""
    suggested_number: str = ""
    """What the form is filled in with at first, for a demo."""

    def __post_init__(self) -> None:
        if len(self.session_secret) < 32:
            raise ValueError("SESSION_SECRET must have at least 32 characters")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Those of the environment.

        Raises:
            KeyError: the variable of this name is missing.
            ValueError: as the class does.
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
