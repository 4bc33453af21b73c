"""Okta, the telephony inline hook.

https://developer.okta.com/docs/reference/telephony-hook/
"""

from typing import Any

from otpvoice.api.hooks.base import HookMessage, IdentityServer, Members, member
from otpvoice.api.schemas import ProblemDocument


class Okta(IdentityServer):
    """Names the channel, and sends by its own provider unless the answer is ``SUCCESSFUL``."""

    def parse(self, body: Members) -> HookMessage:
        """``eventId`` identifies the request."""
        message = member(body, "data", "messageProfile")
        channel = member(message, "deliveryChannel")
        return HookMessage(
            number=member(message, "phoneNumber"),
            code=member(message, "otpCode"),
            attempt=member(body, "eventId"),
            name=member(body, "data", "userProfile", "firstName"),
            locale=member(message, "locale"),
            ip=member(body, "data", "context", "request", "ipAddress"),
            is_text=isinstance(channel, str) and channel.upper() == "SMS",
        )

    def accepted(self, verification_id: str) -> Any:
        """Return the command that reports success."""
        return _command("SUCCESSFUL", transactionId=verification_id)

    def ignored(self) -> Any:
        """Return FAILED: no text message was sent here, so Okta has to send it."""
        return _command("FAILED")

    def refused(self, problem: ProblemDocument) -> tuple[int, Any]:
        """Return FAILED with 200, so that Okta sends by its own provider and does not repeat.

        SUCCESSFUL would leave the person waiting for a call that does not come. After
        ``store_unavailable`` the person may get both, with the same code.
        """
        return 200, _command("FAILED", transactionMetadata=f"{problem.code}: {problem.detail}")


def _command(status: str, **further: str) -> Any:
    value = {"status": status, "provider": "otpvoice", **further}
    return {"commands": [{"type": "com.okta.telephony.action", "value": [value]}]}
