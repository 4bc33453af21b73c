"""Plivo's signature of its requests to this service (docs/providers/plivo.md, section 4).

The provider signs the address, the members of the form and a nonce with the account's token. Its
documentation and its SDKs differ for an address without a query string, so the addresses that this
service gives it always have one.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

Pairs = Iterable[tuple[str, str]]

SIGNATURE_HEADERS: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
"""Signed with the token of the account that places the call, and of its main account."""
_NONCE: Final = "x-plivo-signature-v3-nonce"


def is_signed(url: str, form: Pairs, headers: Mapping[str, str], tokens: Iterable[str]) -> bool:
    """Return whether one of the tokens signed a POST.

    Args:
        url: the public address to which it was sent, with the query string.
        form: the decoded members of the body.
        headers: by name in lower case.
        tokens: of the account; several while one replaces the other. An empty one never matches.
    """
    nonce = headers.get(_NONCE, "")
    if not nonce:
        return False
    message = f"{_signed_address(url)}{_join(form, '', '')}.{nonce}"
    received = [each for name in SIGNATURE_HEADERS for each in headers.get(name, "").split(",")]
    expected = [_sign(token, message) for token in tokens if token]
    # Every pair is compared, so the duration does not depend on which one matches.
    matches = [
        hmac.compare_digest(signature.strip().encode(errors="surrogatepass"), own)
        for signature in received
        for own in expected
    ]
    return any(matches)


def _signed_address(url: str) -> str:
    """Return the address up to the members of the form, with its query decoded and sorted."""
    parts = urlsplit(url)
    query = _join(parse_qsl(parts.query, keep_blank_values=True), "=", "&")
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}{'.' if query else ''}"


def _join(pairs: Pairs, between: str, after: str) -> str:
    return after.join(f"{name}{between}{value}" for name, value in sorted(pairs))


def _sign(token: str, message: str) -> bytes:
    digest = hmac.digest(token.encode(), message.encode(errors="surrogatepass"), hashlib.sha256)
    return base64.b64encode(digest)
