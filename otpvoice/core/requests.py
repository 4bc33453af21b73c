"""Request bodies of the HTTP contract, and the validation of their members."""

import ipaddress
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from otpvoice.core.errors import FieldError
from otpvoice.core.phone import E164
from otpvoice.core.speech import CODE_PATTERN, MAX_LANGUAGES, is_locale

MAX_REFERENCE: Final = 64
"""Characters of a client's reference."""
MAX_ADDRESSES: Final = 512
"""Characters of a request's ``ip``: a list of a dozen addresses fits."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1."""
_WITH_PORT: Final = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})? | \[(?P<v6>[^\]]+)\](?::[0-9]{1,5})?", re.VERBOSE | re.ASCII
)
"""RFC 3986, section 3.2.2: IPv6 addresses with a port are in brackets."""
_OBFUSCATED: Final = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.ASCII | re.IGNORECASE)
"""RFC 7239, section 6: a proxy that does not name its client."""

# These JSON Schemas document what `field_errors` and the core check, with clearer messages.
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
    """A request's JSON object. Unknown members are errors, so that a typo is found."""

    def field_errors(self) -> list[FieldError]:
        """Return what is wrong beyond the types."""
        return []


class CreateRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications``."""

    to: Annotated[_Number, Meta(description="The number, E.164.")]
    name: Annotated[
        str | None,
        Meta(description="Spoken in the greeting. It is cleaned and cut at 40."),
    ] = None
    locale: Annotated[
        _Locale | None,
        Meta(
            description="The languages to speak, the preferred first: a BCP 47 tag (`hi-IN` or "
            "`hi_IN`), or the value of an `Accept-Language` header. The first language with a flow "
            "is used, else the default flow."
        ),
    ] = None
    code: Annotated[
        _Code | None, Meta(description="The client's own code, for example the one in its SMS.")
    ] = None
    call_after: Annotated[
        Annotated[int, Meta(ge=0, le=300)] | None,
        Meta(
            description="Seconds until the call, which is not placed if the verification has ended."
        ),
    ] = None
    ttl: Annotated[
        Annotated[int, Meta(ge=60, le=600)] | None,
        Meta(description="Seconds of the code's life."),
    ] = None
    route: Annotated[str | None, Meta(description="The name of the route to try first.")] = None
    reference: Annotated[
        Annotated[str, Meta(max_length=MAX_REFERENCE)] | None,
        Meta(
            description="The client's id of the login attempt: printable, not a secret. A repeated "
            "number and reference return the same verification."
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
        """Return errors of code, locale, reference and ip."""
        errors = [
            *_locale_errors(self.locale),
            *_code_errors(self.code),
            *_reference_errors(self.reference),
        ]
        try:
            client_network(self.ip)
        except ValueError:
            errors.append(FieldError("/ip", "must be an IPv4 or IPv6 address, or a list of them"))
        return errors


class CheckRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/checks``."""

    code: Annotated[_Code, Meta(description="The code as the user typed it: `code_length` digits.")]

    def field_errors(self) -> list[FieldError]:
        """Return the error of a malformed code."""
        return _code_errors(self.code)


class NumberRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/approvals`` and ``/v1/lookups``: the newest verification of a number."""

    to: Annotated[_Number, Meta(description="The number, E.164.")]
    reference: Annotated[
        Annotated[str, Meta(max_length=MAX_REFERENCE)] | None,
        Meta(
            description="The `reference` of the create. Without it, the newest verification of the "
            "number is meant, whatever its reference."
        ),
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Return the error of a malformed reference."""
        return _reference_errors(self.reference)


class NumberCheckRequest(NumberRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``POST /v1/checks``."""

    code: Annotated[_Code, Meta(description="The code as the user typed it: `code_length` digits.")]

    def field_errors(self) -> list[FieldError]:
        """Return errors of reference and code."""
        return [*_reference_errors(self.reference), *_code_errors(self.code)]


class CallRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/calls``."""

    route: Annotated[
        str | None, Meta(description="The name of the route to try. Apps cannot choose it.")
    ] = None
    locale: Annotated[
        _Locale | None, Meta(description="The languages for this call, as in a create.")
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Return the error of a malformed locale."""
        return _locale_errors(self.locale)


class EmptyRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST …/cancel`` and ``…/approve``: no members."""


def _code_errors(code: str | None) -> list[FieldError]:
    if code is None or CODE_PATTERN.fullmatch(code):
        return []
    return [FieldError("/code", "must be a string of 4 to 10 ASCII digits")]


def _reference_errors(reference: str | None) -> list[FieldError]:
    if reference is None or reference.isprintable():
        return []
    return [FieldError("/reference", "must be printable characters")]


def _locale_errors(locale: str | None) -> list[FieldError]:
    if locale is None or is_locale(locale):
        return []
    detail = "must be a BCP 47 language tag such as hi or en-IN, or an Accept-Language list"
    return [FieldError("/locale", detail)]


def client_network(text: str | None) -> str | None:
    """Return the network that limits count a request's ``ip`` as; None if none is public.

    Args:
        text: an address, or a list as in ``X-Forwarded-For``, whose first public address counts.
            Ports, brackets, quotes and spaces are ignored.

    Raises:
        ValueError: a part of it is not an address, or the whole is too long.
    """
    if text is None:
        return None
    if len(text) > MAX_ADDRESSES:
        raise ValueError("too long")
    entries = [entry for part in text.split(",") if (entry := part.strip(' \t"'))]
    if not entries:
        raise ValueError("no address")
    named = [entry for entry in entries if not _OBFUSCATED.fullmatch(entry)]
    networks = [public_network(_without_port(entry)) for entry in named]
    return next((network for network in networks if network), None)


def _without_port(entry: str) -> str:
    match = _WITH_PORT.fullmatch(entry)
    return (match["v4"] or match["v6"]) if match else entry


def public_network(address: str) -> str | None:
    """Return the network that limits count an address as; None if it is not public.

    An IPv4 address counts by itself. An IPv6 address counts as its /64, which one line usually
    has (RFC 6177), or as the IPv4 address that is embedded in it.

    Raises:
        ValueError: the text is not an address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _embedded_ipv4(parsed) or parsed
    if not parsed.is_global or parsed.is_multicast:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
