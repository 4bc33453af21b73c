"""Zitadel, the HTTP SMS provider.

https://zitadel.com/docs/guides/manage/customize/notification-providers
"""

import hmac
import re
import time
from typing import Final

from otpvoice.api.hooks.base import HookCredentials, HookMessage, IdentityServer, Members, member
from otpvoice.api.http import ApiRequest

_HEADER: Final = "ZITADEL-Signature"
_TOLERANCE_S: Final = 300
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class Zitadel(IdentityServer):
    """Signs with ``ZITADEL-Signature: t=<seconds>,v1=<hex>``, several ``v1`` during a rotation.

    Any 2xx is success. Any other status is repeated until the notification's life is over; number
    and code make such repetitions one call.
    """

    credential = (
        "ZITADEL-Signature is missing, older than five minutes, or not made with hook_secret. "
        "Compare the signing key of the SMS provider, and the clocks of both machines."
    )

    def is_genuine(self, request: ApiRequest, credentials: HookCredentials) -> bool:
        """Compare HMAC-SHA256 of time and body with each signature."""
        pairs = [pair.strip().partition("=") for pair in request.header(_HEADER).split(",")]
        times = [value for name, _, value in pairs if name == "t"]
        if len(times) != 1 or not _TIMESTAMP.fullmatch(times[0]):
            return False
        if abs(time.time() - int(times[0])) > _TOLERANCE_S:
            return False
        signed = f"{times[0]}.".encode() + request.body
        expected = [hmac.digest(key.encode(), signed, "sha256") for key in credentials.secrets]
        received = [value.encode() for name, _, value in pairs if name == "v1"]
        return any(hmac.compare_digest(e.hex().encode(), r) for e in expected for r in received)

    def parse(self, body: Members) -> HookMessage:
        """Take the code from ``args.code``, in older versions ``args.OTP``. Notices have none."""
        args = member(body, "args")
        members = args if isinstance(args, dict) else {}
        names = {name.lower(): value for name, value in members.items()}
        return HookMessage(
            number=member(body, "contextInfo", "recipientPhoneNumber"),
            code=names.get("code") or names.get("otp"),
            name=names.get("firstname"),
        )
