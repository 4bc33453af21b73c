"""The bodies of the HTTP contract, typed. What a type can say about a member is said here only."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from otpvoice.core.code import CODE_PATTERN
from otpvoice.core.errors import FieldError
from otpvoice.core.flow import MAX_LANGUAGES, is_locale
from otpvoice.core.network import MAX_ADDRESSES, client_network
from otpvoice.core.phone import E164
from otpvoice.core.verification import Route

MAX_REFERENCE: Final = 64
"""Characters of a caller's reference."""

# These JSON Schemas tell readers what `faults` and the core refuse, each in words of its own.
_Number = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{E164.pattern}$", "examples": ["+919876543210"]})
]
_Code = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{CODE_PATTERN.pattern}$", "examples": ["471102"]})
]
_Locale = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": r"^[A-Za-z0-9_.@=#;,*\- \t]+$",
            "maxLength": MAX_LANGUAGES,
            "examples": ["hi-IN", "hi_IN", "hi-IN,hi;q=0.9,en;q=0.8"],
        }
    ),
]
_Address = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": r'^[A-Za-z0-9_.:%,"\[\]\- \t]+$',
            "maxLength": MAX_ADDRESSES,
            "examples": ["203.0.113.9", "[2001:db8::1]:443", "203.0.113.9, 10.0.0.1"],
        }
    ),
]


class RequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's JSON object. Unknown members are refused: a typo must not pass in silence."""

    def field_errors(self) -> list[FieldError]:
        """What is wrong beyond the types."""
        return []


class CreateRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications``."""

    to: Annotated[_Number, Meta(description="The number, E.164.")]
    name: Annotated[
        str | None, Meta(description="The voice greets by it. It is cleaned, and cut at 40.")
    ] = None
    locale: Annotated[
        _Locale | None,
        Meta(
            description="The languages to speak, the preferred first: a BCP 47 tag (`hi-IN` or "
            "`hi_IN`), or the value of an `Accept-Language` header. The first that a flow speaks "
            "is used, else the default flow."
        ),
    ] = None
    code: Annotated[
        _Code | None, Meta(description="The caller's own: the one that its SMS carried.")
    ] = None
    call_after: Annotated[
        Annotated[int, Meta(ge=0, le=300)] | None,
        Meta(description="Seconds: dial only if it has not ended by then."),
    ] = None
    ttl: Annotated[
        Annotated[int, Meta(ge=60, le=600)] | None, Meta(description="Seconds that the code lives.")
    ] = None
    route: Annotated[Route | None, Meta(description="The one to try first.")] = None
    reference: Annotated[
        Annotated[str, Meta(max_length=MAX_REFERENCE)] | None,
        Meta(
            description="The id of the login attempt: printable, no secret. The same number and "
            "reference again is the same verification."
        ),
    ] = None
    ip: Annotated[
        _Address | None,
        Meta(
            description="The end user's address, for limits. A port is removed. Of a list, as in "
            "`X-Forwarded-For`, the first public address counts, so send a list only if your own "
            "proxy wrote it. Addresses that are not public are ignored."
        ),
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Wrong texts: code, locale, reference, ip."""
        found = _locale_errors(self.locale)
        if self.code is not None and not CODE_PATTERN.fullmatch(self.code):
            found.append(FieldError("/code", "must be a string of 4 to 10 ASCII digits"))
        if self.reference is not None and not self.reference.isprintable():
            found.append(FieldError("/reference", "must be printable characters"))
        if self.ip is not None and not _is_address(self.ip):
            found.append(FieldError("/ip", "must be an IPv4 or IPv6 address, or a list of them"))
        return found


class CheckRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/checks``."""

    code: Annotated[_Code, Meta(description="As it was heard; `code_length` digits.")]

    def field_errors(self) -> list[FieldError]:
        """A code that is none."""
        if CODE_PATTERN.fullmatch(self.code):
            return []
        return [FieldError("/code", "must be a string of 4 to 10 ASCII digits")]


class CallRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/calls``."""

    route: Annotated[Route | None, Meta(description="The one to try; not for apps to choose.")] = (
        None
    )
    locale: Annotated[
        _Locale | None, Meta(description="The languages for this call, as in a create.")
    ] = None

    def field_errors(self) -> list[FieldError]:
        """A locale that is none."""
        return _locale_errors(self.locale)


class EmptyRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST …/cancel`` and ``…/approve``: nothing to say."""


def _locale_errors(locale: str | None) -> list[FieldError]:
    if locale is None or is_locale(locale):
        return []
    detail = "must be a BCP 47 language tag such as hi or en-IN, or an Accept-Language list"
    return [FieldError("/locale", detail)]


def _is_address(text: str) -> bool:
    try:
        client_network(text)
    except ValueError:
        return False
    return True
