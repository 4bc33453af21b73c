"""What all kinds of identity servers have in common."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from otpvoice.api.http import ApiRequest, parse_object
from otpvoice.api.schemas import ProblemDocument
from otpvoice.core.keys import KeyHashes

Members = Mapping[str, Any]
"""The body of a request. Nothing in it has been validated."""


@dataclass(frozen=True, slots=True)
class HookCredentials:
    """What identifies the identity server of one client."""

    secrets: tuple[str, ...] = field(repr=False)
    """Each of them may sign. Those of Standard Webhooks begin with ``whsec_``."""
    keys: KeyHashes
    """Of the client's API keys, and no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookMessage:
    """What an identity server wants, in the types in which it was sent."""

    number: Any
    code: Any
    """None or empty: the message has no code."""
    attempt: Any = None
    """Identifies the attempt, in each repetition of the request. Otherwise number and code do, for
    a while."""
    name: Any = None
    locale: Any = None
    ip: Any = None
    is_text: bool = False
    """The message is meant for SMS."""
    sent_at: Any = None
    """When the code was made, in milliseconds since 1970."""


class IdentityServer(ABC):
    """One kind of identity server.

    By default a request has the client's API key and a JSON body, success is 200, and a refusal has
    the status of the API's own error. Unknown members are ignored: senders grow.
    """

    credential = "Send the client's API key as Authorization: Bearer, or as the password of Basic."
    """How a request is authenticated, for the refusal of one that is not."""

    def is_genuine(self, request: ApiRequest, credentials: HookCredentials) -> bool:
        """Return whether the request is from the identity server of this client."""
        return credentials.keys.holder_of(_api_key(request.header("Authorization"))) is not None

    def parse_body(self, request: ApiRequest) -> Members:
        """Return the members of the body.

        Raises:
            UnreadableBody: it cannot be parsed.
        """
        return parse_object(request.body)

    @abstractmethod
    def parse(self, body: Members) -> HookMessage | None:
        """Return what is wanted; None if the message is about something else.

        Missing members, and members of other types, raise nothing.
        """

    def accepted(self, verification_id: str) -> Any:  # noqa: ARG002 - for kinds whose answer has it
        """Return the body of 200 after a call was queued, or was already under way."""
        return {}

    def ignored(self) -> Any:
        """Return the body of 200 for a message that causes no call."""
        return {}

    def refused(self, problem: ProblemDocument) -> tuple[int, Any]:
        """Return status and body of a refusal to an authenticated request.

        Args:
            problem: the API's own problem document, without the name of a limit.
        """
        return problem.status, {"error": {"code": problem.code, "message": problem.detail}}


def member(body: Members, *path: str) -> Any:
    """Return the member at ``path``; None if one on the way is missing or is no object."""
    value: Any = body
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _api_key(authorization: str) -> str:
    """Return the API key of Bearer (RFC 6750), or the password of Basic (RFC 7617)."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credential.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credential, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""
