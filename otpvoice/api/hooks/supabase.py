"""Supabase Auth, the Send SMS hook.

https://supabase.com/docs/guides/auth/auth-hooks/send-sms-hook
"""

from typing import Any

from otpvoice.api.hooks.base import HookMessage, Members, member
from otpvoice.api.hooks.standard_webhooks import StandardWebhookSender
from otpvoice.api.schemas import ProblemDocument


class Supabase(StandardWebhookSender):
    """Signs as Standard Webhooks, with a new ``webhook-id`` in each of up to three tries.

    The body is made once, so its ``metadata.uuid`` identifies the attempt. It has no name that may
    be spoken: a stranger who signs up with another person's number writes ``user_metadata``.
    """

    def parse(self, body: Members) -> HookMessage:
        """Prefer ``sms.phone``: on a change of number, ``user.phone`` is the old one."""
        number = member(body, "sms", "phone") or member(body, "user", "phone")
        if isinstance(number, str) and number[:1].isdecimal():
            number = f"+{number}"  # numbers are international and stored without it
        return HookMessage(
            number=number,
            code=member(body, "sms", "otp"),
            attempt=member(body, "metadata", "uuid"),
            ip=member(body, "metadata", "ip_address"),
        )

    def refused(self, problem: ProblemDocument) -> tuple[int, Any]:
        """Return 200 with an error, which Supabase shows to the app.

        Any other status is an internal error to the app, and 429 or 503 with ``Retry-After`` is
        repeated at once, up to three times within the five seconds of a hook.
        """
        return 200, {"error": {"http_code": problem.status, "message": problem.detail}}
