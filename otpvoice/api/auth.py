"""Who is asking, and what they may do.

A client comes with its API key and may do everything with its own verifications. An app comes with
the client token of one verification: it may look at that one, check, call and cancel; it sees the
number masked, and is told of no limit. Both are Bearer credentials (RFC 6750, section 2.1).
"""

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from structlog.contextvars import bind_contextvars

from otpvoice.api.request import Principal, current_request
from otpvoice.core.errors import NotFound, OtpvoiceError, TokenInvalid
from otpvoice.core.phone import mask_number
from otpvoice.core.tokens import PREFIX, ClientTokens
from otpvoice.core.verification import Verification


class Unauthorized(OtpvoiceError):
    """No credential, or none that we know."""


class Forbidden(OtpvoiceError):
    """Whoever asks is known, and may not do this."""


class ApiKeys:
    """The clients' keys, known by their hashes only.

    Args:
        hashes: by client, SHA-256 in hex. A plain hash will do: keys are 256 random bits.
    """

    def __init__(self, hashes: Mapping[str, Sequence[str]]) -> None:
        self._hashes = [
            (client, bytes.fromhex(digest)) for client, all_ in hashes.items() for digest in all_
        ]
        self.clients = frozenset(hashes)

    def authenticate(self, key: str) -> str:
        """The client whose key this is.

        Raises:
            Unauthorized: nobody's that we know.
        """
        given = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        # All are compared, so that time does not tell which one was near.
        matches = [client for client, known in self._hashes if hmac.compare_digest(given, known)]
        if not matches:
            raise Unauthorized("This API key is not known.")
        return matches[0]


class Authenticator:
    """Lets in who may ask; the views get the client in whose name it is done."""

    def __init__(self, keys: ApiKeys, tokens: ClientTokens) -> None:
        self._keys = keys
        self._tokens = tokens

    def require_client(self) -> str:
        """The client that asks with its API key.

        Raises:
            Unauthorized, TokenRefused: nobody that we know.
            Forbidden: an app.
        """
        asker = self._authenticate()
        if asker.verification_id is not None:
            raise Forbidden("This is not for apps: it needs the API key of the login backend.")
        return asker.client

    def require_client_or_app(self, verification_id: str) -> str:
        """The client in whose name somebody asks about this verification: itself, or its app.

        Raises:
            Unauthorized, TokenRefused: nobody that we know.
            NotFound: an app, and another verification than its own.
        """
        asker = self._authenticate()
        if asker.verification_id not in {None, verification_id}:
            raise NotFound
        return asker.client

    def client_token(self, verification: Verification) -> str:
        """What an app asks about this verification with."""
        return self._tokens.issue(verification.client, verification.id, verification.expires_at)

    def _authenticate(self) -> Principal:
        credential = _bearer_credential()
        is_token = credential.startswith(PREFIX)
        asker = (
            self._authenticate_app(credential)
            if is_token
            else Principal(self._keys.authenticate(credential))
        )
        bind_contextvars(client=asker.client)
        current_request().principal = asker
        return asker

    def _authenticate_app(self, credential: str) -> Principal:
        # This process's clock, not the store's that decides elsewhere: no round trip is spent on
        # what is over, and the minutes that a token outlives its code are more than clocks differ.
        token = self._tokens.verify(credential, time.time())
        if token.client not in self._keys.clients:
            raise TokenInvalid("The client of this token is not known any more.")
        bind_contextvars(app=True)
        return Principal(token.client, token.verification_id)


def has_api_key() -> bool:
    """Whether a client asks with its API key, and not an app, or somebody not yet known."""
    asker = current_request().principal
    return asker is not None and asker.verification_id is None


def visible_number(number: str) -> str:
    """``number`` as whoever asks may see it."""
    return number if has_api_key() else mask_number(number)


def _bearer_credential() -> str:
    scheme, _, credential = current_request().headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthorized("Send your API key as Authorization: Bearer <API key>.")
    return credential.strip()
