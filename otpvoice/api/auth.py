"""Authentication: API keys of clients and client tokens of apps.

A client sends its API key and can access all of its verifications. An app sends the client token of
one verification: it can read, check, call and cancel that one. The app sees the number masked and
does not see which limit refused a request. Both are Bearer credentials (RFC 6750, section 2.1).
"""

import time
from collections.abc import Mapping, Sequence

from structlog.contextvars import bind_contextvars

from otpvoice.api.errors import Forbidden, Unauthorized
from otpvoice.api.request import ApiRequest, Principal
from otpvoice.core.errors import NotFound, TokenInvalid
from otpvoice.core.keys import KeyHashes
from otpvoice.core.tokens import PREFIX, ClientTokens
from otpvoice.core.verification import Verification


class Authenticator:
    """Verifies the credential of a request.

    Args:
        key_hashes: SHA-256 of the API keys in hex, by client.
        tokens: signs and verifies client tokens.
    """

    def __init__(self, key_hashes: Mapping[str, Sequence[str]], tokens: ClientTokens) -> None:
        self._key_hashes = KeyHashes(
            (client, digest) for client, digests in key_hashes.items() for digest in digests
        )
        self._clients = frozenset(key_hashes)
        self._tokens = tokens

    def require_client(self, request: ApiRequest) -> Principal:
        """Authenticate a client by its API key.

        Raises:
            Unauthorized, TokenRefused: the credential is missing or invalid.
            Forbidden: the credential is an app's.
        """
        principal = self._authenticate(request)
        if principal.verification_id is not None:
            raise Forbidden("Apps cannot call this endpoint: it requires the client's API key.")
        return principal

    def require_client_or_app(self, request: ApiRequest, verification_id: str) -> Principal:
        """Authenticate a client, or the app of the verification.

        Raises:
            Unauthorized, TokenRefused: the credential is missing or invalid.
            NotFound: the client token is for another verification.
        """
        principal = self._authenticate(request)
        if principal.verification_id not in {None, verification_id}:
            raise NotFound
        return principal

    def client_token(self, verification: Verification) -> str:
        """Return the credential that opens ``verification`` to an app."""
        return self._tokens.issue(verification.client, verification.id, verification.expires_at)

    def _authenticate(self, request: ApiRequest) -> Principal:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthorized("Send your API key as Authorization: Bearer <API key>.")
        if credential.startswith(PREFIX):
            principal = self._app(credential)
        else:
            principal = Principal(self._client(credential))
        bind_contextvars(client=principal.client)
        request.principal = principal
        return principal

    def _client(self, key: str) -> str:
        client = self._key_hashes.holder_of(key)
        if client is None:
            raise Unauthorized("This API key is not known. Check the key, or create a new one.")
        return client

    def _app(self, credential: str) -> Principal:
        # This uses the local clock, unlike the store's checks: an expired token costs no round
        # trip, and tokens outlive their code by more than clocks differ.
        token = self._tokens.verify(credential, time.time())
        if token.client not in self._clients:
            raise TokenInvalid("The client of this token no longer exists.")
        bind_contextvars(app=True)
        return Principal(token.client, token.verification_id)
