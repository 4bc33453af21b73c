"""Who is asking."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from flask import request
from structlog.contextvars import bind_contextvars

from otpvoice.api.errors import Unauthorized


class ApiKeys:
    """The clients' keys, known by their hashes only.

    Args:
        hashes: by client, SHA-256 in hex. A plain hash will do: keys are 256 random bits.
    """

    def __init__(self, hashes: Mapping[str, Sequence[str]]) -> None:
        self._hashes = [
            (client, bytes.fromhex(digest)) for client, all_ in hashes.items() for digest in all_
        ]

    def authenticate(self) -> str:
        """The client whose key the request carries (RFC 6750, section 2.1).

        Raises:
            Unauthorized: no key, or none that we know.
        """
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthorized("Send your API key as Authorization: Bearer <API key>.")
        given = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        # All are compared, so that time does not tell which one was near.
        matches = [client for client, known in self._hashes if hmac.compare_digest(given, known)]
        if not matches:
            raise Unauthorized("This API key is not known.")
        bind_contextvars(client=matches[0])
        return matches[0]
