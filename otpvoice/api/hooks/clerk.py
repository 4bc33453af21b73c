"""Clerk, the webhook event ``sms.created``.

https://clerk.com/docs/guides/development/webhooks/overview
"""

import re
from typing import Any, Final

from otpvoice.api.hooks.base import HookMessage, Members, member
from otpvoice.api.hooks.standard_webhooks import StandardWebhookSender, signed_header
from otpvoice.api.http import ApiRequest
from otpvoice.api.schemas import ProblemDocument

_CODE: Final = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])", re.ASCII)
"""Clerk's codes have six digits."""
_ID: Final = "svix-id"
_CODE_MEMBERS: Final = ("code", "otp_code", "otp")


class Clerk(StandardWebhookSender):
    """Signs with Svix, which repeats what is not answered 2xx for days."""

    def parse_body(self, request: ApiRequest) -> Members:
        """Add the message's id, which repetitions share."""
        return {**super().parse_body(request), _ID: signed_header(request, "id")}

    def parse(self, body: Members) -> HookMessage | None:
        """Take the code from ``data.data``, else from the text."""
        if member(body, "type") != "sms.created":
            return None
        data = member(body, "data", "data")
        found = [value for name in _CODE_MEMBERS if (value := member(data, name))]
        return HookMessage(
            number=member(body, "data", "to_phone_number"),
            code=found[0] if found else _only_code(member(body, "data", "message")),
            attempt=member(body, _ID),
            is_text=member(body, "data", "delivered_by_clerk") is True,
            sent_at=member(body, "timestamp"),
        )

    def refused(self, problem: ProblemDocument) -> tuple[int, Any]:
        """Return 200 for a refusal that a repetition cannot change.

        Svix would repeat it for days and then disable the endpoint for all messages. 503 is
        repeated after five seconds, which helps.
        """
        status, body = super().refused(problem)
        return (status if status >= 500 else 200), body


def _only_code(text: Any) -> str | None:
    """Return the code in a message, which may contain it twice; None if there are several."""
    codes = {*_CODE.findall(text)} if isinstance(text, str) else set()
    return codes.pop() if len(codes) == 1 else None
