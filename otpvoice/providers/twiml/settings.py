"""The settings of an account with a company of the TwiML family."""

from collections.abc import Iterator
from typing import Annotated, Literal

from otpvoice import setting_types as types
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS, SignatureScheme
from otpvoice.sections import FieldProblem, TextProviderSection


class TwimlSettings(TextProviderSection, frozen=True, kw_only=True):
    """An account with Twilio, Telnyx, SignalWire or Somleng."""

    vendor: Literal["twilio", "telnyx", "signalwire", "somleng"]
    account: str
    """The account's id in addresses."""
    user: str = ""
    """The name of an API key; empty: the account itself."""
    token: tuple[Annotated[str, types.SECRET], ...]
    """The auth token, the secret of an API key, or Telnyx's API key. The first one authenticates
    requests; any of them verifies callbacks."""
    base_url: Annotated[str, types.OPTIONAL_BASE_URL] = ""
    """Empty: the vendor's."""
    webhook_key: tuple[Annotated[str, types.SECRET], ...] = ()
    """Verifies callbacks: the auth token, a signing key, or Telnyx's public key."""
    webhook_path_token: tuple[Annotated[str, types.PATH_TOKEN], ...] = ()
    application_id: str = ""
    """Of the TeXML application, which Telnyx requires."""

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return max(self.time_limit, VENDORS[self.vendor].min_time_limit_s)

    def verification_keys(self) -> tuple[str, ...]:
        """Return the keys of signatures: without own ones, the auth token if it can be one."""
        has_own_scheme = VENDORS[self.vendor].signature_scheme is not SignatureScheme.TWILIO
        return self.webhook_key or (() if has_own_scheme or self.user else self.token)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        if not (self.base_url or VENDORS[self.vendor].base_url):
            yield "base_url", f"is missing: {self.vendor} has one for each account"
        if self.vendor == "telnyx" and not self.application_id:
            yield "application_id", "is missing: telnyx places calls of a TeXML application only"
        yield from super().problems()
        if not self.token:
            yield "token", "is missing: requests are authenticated with it"
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
        tokens=settings.token,
        user=settings.user,
        base_url=settings.base_url,
        webhook_url=webhook_url,
        path_tokens=settings.webhook_path_token,
    )
