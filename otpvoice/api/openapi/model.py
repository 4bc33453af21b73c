"""What an operation is, as the table of operations tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from otpvoice.api.schemas import ResponseSchema
from otpvoice.core.requests import RequestBody

JSON: Final = "application/json"
CLIENT_AUTH: Final = "api_key"
APP_AUTH: Final = "client_token"
PROVIDER_AUTH: Final = "webhook_secret"


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One answer that is no refusal."""

    status: int
    description: str
    schemas: tuple[type[ResponseSchema], ...] = ()
    """The types that a body of JSON may have."""
    examples: tuple[ResponseSchema, ...] = ()
    headers: tuple[str, ...] = ()
    """Beside Request-Id."""
    media_types: tuple[str, ...] = (JSON,)
    """Without any there is no body."""
    links: tuple[str, ...] = ()
    """Operations that go on from here."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method does at one address."""

    name: str
    """Unique: generated clients call it so."""
    method: str
    path: str
    tag: str
    summary: str
    responses: tuple[ResponseSpec, ...]
    errors: tuple[type[Exception], ...] = ()
    """Beside what can happen anywhere."""
    description: str = ""
    credentials: tuple[str, ...] = ()
    """Any one of them will do."""
    parameters: tuple[str, ...] = ()
    """Beside Request-Id."""
    request: type[RequestBody] | None = None
    example: Mapping[str, str] = field(default_factory=dict)
    """A body of it."""
    accepts: tuple[str, ...] = ()
    """Media types of a body that is not described."""
