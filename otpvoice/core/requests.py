"""The bodies of the HTTP contract, typed. What a type can say about a member is said here only."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from otpvoice.core.code import CODE_SHAPE
from otpvoice.core.errors import Fault
from otpvoice.core.flow import is_language_tag
from otpvoice.core.network import public_network
from otpvoice.core.verification import Route

MAX_REFERENCE: Final = 64
"""Characters of a caller's reference."""


class RequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's JSON object. Unknown members are refused: a typo must not pass in silence."""

    def faults(self) -> list[Fault]:
        """What is wrong beyond the types."""
        return []


class CreateRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications``."""

    to: str
    name: str | None = None
    locale: str | None = None
    code: str | None = None
    call_after: Annotated[int, Meta(ge=0, le=300)] | None = None
    ttl: Annotated[int, Meta(ge=60, le=600)] | None = None
    route: Route | None = None
    reference: Annotated[str, Meta(max_length=MAX_REFERENCE)] | None = None
    ip: str | None = None

    def faults(self) -> list[Fault]:
        """Wrong texts: code, locale, reference, ip."""
        found = _locale_faults(self.locale)
        if self.code is not None and not CODE_SHAPE.fullmatch(self.code):
            found.append(Fault("/code", "must be a string of 4 to 10 ASCII digits"))
        if self.reference is not None and not self.reference.isprintable():
            found.append(Fault("/reference", "must be printable characters"))
        if self.ip is not None and not _is_address(self.ip):
            found.append(Fault("/ip", "must be an IPv4 or IPv6 address"))
        return found


class CheckRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/checks``."""

    code: str

    def faults(self) -> list[Fault]:
        """A code that is none."""
        if CODE_SHAPE.fullmatch(self.code):
            return []
        return [Fault("/code", "must be a string of 4 to 10 ASCII digits")]


class CallRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/calls``."""

    route: Route | None = None
    locale: str | None = None

    def faults(self) -> list[Fault]:
        """A locale that is none."""
        return _locale_faults(self.locale)


class EmptyRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST …/cancel`` and ``…/approve``: nothing to say."""


def _locale_faults(locale: str | None) -> list[Fault]:
    if locale is None or is_language_tag(locale):
        return []
    return [Fault("/locale", "must be a BCP 47 language tag such as hi or en-IN")]


def _is_address(text: str) -> bool:
    try:
        public_network(text)
    except ValueError:
        return False
    return True
