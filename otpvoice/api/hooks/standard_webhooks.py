"""Signatures of Standard Webhooks (standardwebhooks.com)."""

import re
from collections.abc import Sequence
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from otpvoice.api.hooks.base import HookCredentials, IdentityServer
from otpvoice.api.http import ApiRequest

_SIGNATURE: Final = re.compile(r"(?<![^\s,])v1,[A-Za-z0-9+/]{43}=")
"""HMAC-SHA256 in base64. The standard separates several by spaces, Supabase by comma and space."""


class StandardWebhookSender(IdentityServer):
    """An identity server that signs its requests as Standard Webhooks."""

    credential = (
        "The signature is missing, older than five minutes, or not made with hook_secret. "
        "Compare the secret, and the clocks of both machines."
    )

    def is_genuine(self, request: ApiRequest, credentials: HookCredentials) -> bool:
        """Verify the signature with each secret."""
        return is_signed(request, credentials.secrets)


def is_signed(request: ApiRequest, secrets: Sequence[str]) -> bool:
    """Return whether the body is signed with one of the secrets, at most five minutes ago."""
    headers = {f"webhook-{name}": signed_header(request, name) for name in ("id", "timestamp")}
    # The library raises ValueError for anything else than well-formed signatures between spaces.
    headers["webhook-signature"] = " ".join(_SIGNATURE.findall(signed_header(request, "signature")))
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        return False
    return any(_is_verified(Webhook(secret), body, headers) for secret in secrets)


def signed_header(request: ApiRequest, name: str) -> str:
    """Return ``webhook-<name>``, which Svix calls ``svix-<name>``; empty if it was not sent."""
    return request.header(f"webhook-{name}") or request.header(f"svix-{name}")


def _is_verified(webhook: Webhook, body: str, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True
