"""Casdoor, the provider "Custom HTTP SMS".

https://casdoor.org/docs/provider/sms/overview
"""

from typing import Final
from urllib.parse import parse_qsl

from otpvoice.api.errors import UnreadableBody
from otpvoice.api.hooks.base import HookMessage, IdentityServer, Members, member
from otpvoice.api.http import ApiRequest

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 20


class Casdoor(IdentityServer):
    """Posts a form or JSON with the headers that its operator sets. Only 200 is success."""

    def parse_body(self, request: ApiRequest) -> Members:
        """Parse a form too."""
        if request.wsgi.mimetype != _FORM:
            return super().parse_body(request)
        try:
            text = request.body.decode()
            fields = parse_qsl(text, max_num_fields=_MAX_FIELDS, errors="strict")
        except ValueError as error:
            raise UnreadableBody("The form is not UTF-8, or has too many fields.") from error
        if len(dict(fields)) < len(fields):
            raise UnreadableBody("The form contains the same field twice.")
        return dict(fields)

    def parse(self, body: Members) -> HookMessage:
        """Take the whole content as the code, which the template ``%s`` makes it."""
        return HookMessage(number=member(body, "phoneNumber"), code=member(body, "content"))
