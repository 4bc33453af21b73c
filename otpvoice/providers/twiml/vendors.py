"""The companies of the family, and where their APIs differ (docs/providers/twiml.md, section 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SignatureScheme(StrEnum):
    """How a vendor signs its callbacks."""

    TWILIO = "twilio"
    """HMAC-SHA1 of the address and the sorted form."""
    SIGNALWIRE = "signalwire"
    """As Twilio, or an HMAC of the address and the body as sent."""
    TELNYX = "telnyx"
    """Ed25519 of a timestamp and the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One company of the family."""

    name: str
    base_url: str
    """Without a slash at its end; empty if each account has an address of its own."""
    path_suffix: str = ".json"
    """At the end of each path."""
    document_member: str = "Twiml"
    """The member of a request that holds the document; empty if the vendor fetches it."""
    has_json_requests: bool = False
    """Whether requests are JSON; otherwise they are forms."""
    has_bearer_token: bool = False
    """Whether the token is sent as Bearer; otherwise with the user's name, as Basic."""
    signature_scheme: SignatureScheme = SignatureScheme.TWILIO
    min_time_limit_s: int = 1
    can_cancel: bool = True
    """Whether a call can be canceled until it is answered, and only until then."""


VENDORS: Final[Mapping[str, Vendor]] = MappingProxyType(
    {
        vendor.name: vendor
        for vendor in (
            Vendor(name="twilio", base_url="https://api.twilio.com/2010-04-01"),
            Vendor(
                name="telnyx",
                base_url="https://api.telnyx.com/v2/texml",
                path_suffix="",
                document_member="Texml",
                has_json_requests=True,
                has_bearer_token=True,
                signature_scheme=SignatureScheme.TELNYX,
                min_time_limit_s=30,
                can_cancel=False,
            ),
            Vendor(
                name="signalwire",
                base_url="",
                document_member="",
                signature_scheme=SignatureScheme.SIGNALWIRE,
            ),
            Vendor(name="somleng", base_url="https://api.somleng.org/2010-04-01"),
        )
    }
)
"""By name, as in the settings."""
