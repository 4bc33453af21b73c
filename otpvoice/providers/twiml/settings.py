"""The settings of an account with a company of the TwiML family."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from msgspec import Meta

from otpvoice import setting_types as types
from otpvoice.core.speech import Flow
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS, SignatureScheme
from otpvoice.sections import FieldProblem, ProviderSection, Seconds, Texts, Voices

_MAX_CALL_S: Final = 150
"""From the request to the end of a call. A call without a result is given up soon after it."""


class TwimlSettings(ProviderSection, frozen=True, kw_only=True):
    """An account with Twilio, Telnyx, SignalWire or Somleng."""

    vendor: Literal["twilio", "telnyx", "signalwire", "somleng"]
    account: str
    """The account's id in addresses."""
    user: str = ""
    """The name of an API key; empty: the account itself."""
    token: Annotated[str, types.SECRET]
    """The auth token, the secret of an API key, or Telnyx's API key."""
    base_url: Annotated[str, types.OPTIONAL_BASE_URL] = ""
    """Empty: the vendor's."""
    webhook_key: tuple[Annotated[str, types.SECRET], ...] = ()
    """Verifies callbacks: the auth token, a signing key, or Telnyx's public key."""
    webhook_path_token: tuple[Annotated[str, types.PATH_TOKEN], ...] = ()
    texts: Texts
    """By language tag in lower case; one is ``default``."""
    voices: Voices = MappingProxyType({})
    """By language tag in lower case: the vendor's names."""
    application_id: str = ""
    """Of the TeXML application, which Telnyx requires."""
    ring_timeout: Annotated[Seconds, Meta(ge=5, le=120)] = 45
    time_limit: Annotated[Seconds, Meta(ge=10, le=600)] = 60

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the texts as flows without an id of the provider."""
        return {tag: Flow("", text) for tag, text in self.texts.items()}

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return self.time_limit

    def verification_keys(self) -> tuple[str, ...]:
        """Return the keys of signatures: without own ones, the auth token if it can be one."""
        has_own_scheme = VENDORS[self.vendor].signature_scheme is not SignatureScheme.TWILIO
        return self.webhook_key or (() if has_own_scheme or self.user else (self.token,))

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        if not (self.base_url or VENDORS[self.vendor].base_url):
            yield "base_url", f"is missing: {self.vendor} has one for each account"
        if self.vendor == "telnyx" and not self.application_id:
            yield "application_id", "is missing: telnyx places calls of a TeXML application only"
        if self.ring_timeout + self.time_limit > _MAX_CALL_S:
            yield "time_limit", f"with ring_timeout, more than {_MAX_CALL_S} seconds: shorten one"
        if not self.verification_keys():
            yield "webhook_key", "is missing: callbacks are verified with it"
        try:
            create_verifier(VENDORS[self.vendor].signature_scheme, self.webhook_key)
        except ValueError as error:
            yield "webhook_key", str(error)

    def production_problems(self, table: str) -> Iterator[FieldProblem]:
        """Yield what is not fit for production."""
        del table
        if self.base_url and not self.base_url.startswith("https://"):
            yield "base_url", "production needs an https:// URL, because codes travel over it"


def account_of(settings: TwimlSettings, webhook_url: str) -> Account:
    """Return the account, whose callbacks come to this address."""
    return Account(
        vendor=VENDORS[settings.vendor],
        id=settings.account,
        token=settings.token,
        user=settings.user,
        base_url=settings.base_url,
        webhook_url=webhook_url,
        path_tokens=settings.webhook_path_token,
    )
