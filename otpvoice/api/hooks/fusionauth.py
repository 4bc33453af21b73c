"""FusionAuth, the generic messenger.

https://fusionauth.io/docs/customize/messengers/generic-messenger
"""

from otpvoice.api.hooks.base import HookMessage, IdentityServer, Members, member


class FusionAuth(IdentityServer):
    """Sends headers, or Basic authentication, that its operator sets. Any 2xx is success.

    It names the channel, does not repeat a request, and may send national numbers.
    """

    def parse(self, body: Members) -> HookMessage:
        """``type`` is ``SMS`` or ``Voice``."""
        channel = member(body, "type")
        return HookMessage(
            number=member(body, "phoneNumber"),
            code=member(body, "code"),
            is_text=isinstance(channel, str) and channel.upper() == "SMS",
        )
