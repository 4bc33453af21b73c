"""Logto, the HTTP SMS connector.

https://docs.logto.io/integrations/http-sms
"""

from otpvoice.api.hooks.base import HookMessage, IdentityServer, Members, member


class Logto(IdentityServer):
    """Sends the header ``Authorization`` that its operator sets. Any 2xx is success.

    It does not repeat a request, and logs the body of a refusal.
    """

    def parse(self, body: Members) -> HookMessage:
        """Invitations have a payload without a code. ``uiLocales`` is a list (OpenID Connect)."""
        ui_locales = member(body, "payload", "uiLocales")
        if isinstance(ui_locales, str):
            ui_locales = ui_locales.replace(" ", ",")
        return HookMessage(
            number=member(body, "to"),
            code=member(body, "payload", "code"),
            locale=member(body, "payload", "locale") or ui_locales,
            ip=member(body, "ip"),
        )
