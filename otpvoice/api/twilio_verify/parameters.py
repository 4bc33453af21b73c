"""What a request has: form members or a query, and Basic credentials."""

import base64
import re
from typing import Final
from urllib.parse import parse_qsl

from otpvoice.api.errors import Unauthorized, UnreadableBody, UnsupportedMediaType
from otpvoice.api.http import ApiRequest
from otpvoice.core.errors import InvalidRequest

FORM: Final = "application/x-www-form-urlencoded"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Parameters:
    """Named values of a form or a query. Names that nobody asks for are ignored, as by Twilio."""

    def __init__(self, encoded: bytes) -> None:
        """Parse ``application/x-www-form-urlencoded`` (WHATWG URL standard, section 5).

        Raises:
            UnreadableBody: an escape is incomplete, or the text is not UTF-8.
        """
        try:
            text = encoded.decode("utf-8")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError as error:
            raise UnreadableBody("The parameters are not UTF-8.") from error
        if _BAD_ESCAPE.search(text):
            raise UnreadableBody("The parameters contain % without two hexadecimal digits.")
        self._pairs = pairs

    def get(self, name: str) -> str | None:
        """Return a value; None if the parameter is absent or empty.

        Raises:
            InvalidRequest: the parameter was sent twice.
        """
        values = [value for key, value in self._pairs if key == name]
        if len(values) > 1:
            raise InvalidRequest.for_field(f"/{name}", "was sent more than once")
        return (values[0] or None) if values else None

    def require(self, name: str) -> str:
        """Return a value. Raises InvalidRequest if it is absent, empty, or sent twice."""
        value = self.get(name)
        if value is None:
            raise InvalidRequest.for_field(f"/{name}", "is missing")
        return value


def parse_form(request: ApiRequest) -> Parameters:
    """Return the members of the body.

    Raises:
        RequestEntityTooLarge, UnreadableBody: the body cannot be read.
        UnsupportedMediaType: the body is not a plain form.
    """
    raw = request.body
    if raw:
        if (request.header("Content-Encoding") or "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body without Content-Encoding.")
        if request.header("Content-Type") != FORM and request.wsgi.mimetype != FORM:
            raise UnsupportedMediaType(f"Send the body as Content-Type: {FORM}.")
    return Parameters(raw)


def parse_query(request: ApiRequest) -> Parameters:
    """Return the parameters of the query. Raises UnreadableBody if they cannot be decoded."""
    return Parameters(request.environ.get("QUERY_STRING", "").encode("latin-1"))


def parse_credentials(request: ApiRequest) -> tuple[str, str]:
    """Return user and password of Basic authentication (RFC 7617).

    Raises:
        Unauthorized: there is no password.
    """
    scheme, _, encoded = request.header("Authorization").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except ValueError:  # not base64, or not UTF-8
            decoded = ""
        user, _, password = decoded.partition(":")
        if password:
            return user, password
    raise Unauthorized("Send your API key as the password of HTTP Basic authentication.")
