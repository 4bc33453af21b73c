"""Signed requests of the companies whose addresses name the call, to an API in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from api.api_client import ApiClient, settings_with
from providers.plivo_samples import sign as sign_as_plivo
from support.companies import PLIVO_LINE, TOKEN, TWILIO_LINE, plivo, twiml
from werkzeug.test import TestResponse

from otpvoice.container import Container
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.providers.twiml.provider import FetchedTwiml, Twiml
from otpvoice.settings import Settings
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS

COMPANIES: Final = ("twilio", "signalwire", "telnyx", "plivo")
FETCHING: Final = ("signalwire", "plivo")
"""Those that fetch what an answered call speaks."""
_BASE_URL: Final = "https://api.example.com"


def settings_of_companies(environ: Mapping[str, str], **changes: str) -> Settings:
    """Return settings with all companies; nothing is redialed."""
    members = plivo(_BASE_URL)
    for vendor in TWIML_VENDORS:
        members |= twiml(vendor, _BASE_URL, vendor)
    routes = {"dialer_routes": ",".join(("obd", *COMPANIES)), "verification_max_redials": "0"}
    return settings_with({**environ, **members}, **(routes | changes))


@dataclass(frozen=True)
class Company:
    """A company that sends requests to an API."""

    name: str
    api: ApiClient
    settings: Settings

    @property
    def provider(self) -> Twiml | Plivo:
        """The adapter of its account: it makes the addresses."""
        provider = Container(self.settings).providers[self.name]
        assert isinstance(provider, Twiml | Plivo)
        return provider

    def callback_url(self, call_id: str) -> str:
        """Return the address that the company has for a call's result."""
        provider = self.provider
        if isinstance(provider, Twiml):
            return provider.account.callback_urls(call_id)[0]
        return provider.addresses.callback(call_id)

    def document_url(self, call_id: str) -> str:
        """Return the address of what an answered call speaks."""
        provider = self.provider
        assert isinstance(provider, FetchedTwiml | Plivo)
        return provider.addresses.answer(call_id)

    def report(self, call_id: str, word: str = "completed", **members: str) -> TestResponse:
        """Send a call's result, in the company's words."""
        return self.post(self.callback_url(call_id), self.form(word, **members))

    def fetch(self, call_id: str, token: str = TOKEN) -> TestResponse:
        """Request what an answered call speaks."""
        return self.post(self.document_url(call_id), self.form("in-progress"), token)

    def post(
        self,
        url: str,
        form: Mapping[str, str],
        token: str = TOKEN,
        content_type: str | None = "application/x-www-form-urlencoded",
    ) -> TestResponse:
        """Send a signed form."""
        encoded = urlencode(form)
        path = url.removeprefix(self.settings.server.public_url)
        return self.api.client.post(
            path,
            data=encoded,
            headers=dict(self.sign(url, encoded, form, token)),
            content_type=content_type,
        )

    def sign(
        self, url: str, encoded: str, form: Mapping[str, str], token: str = TOKEN
    ) -> Mapping[str, str]:
        """Return the company's signature of a request."""
        if self.name == "plivo":
            return sign_as_plivo(url, dict(form), token)
        return TWIML_VENDORS[self.name].sign(url, encoded, form, token)

    def form(self, word: str, **members: str) -> dict[str, str]:
        """Return the members of a message about a call."""
        if self.name == "plivo":
            ids = dict.fromkeys(("CallUUID", "RequestUUID"), "9f0e1c2a-0000-4000-8000-000000000001")
            return {**ids, "From": PLIVO_LINE, "CallStatus": word, "Duration": "9", **members}
        call = {"CallSid": "CA" + "1" * 32, "From": f"+{TWILIO_LINE}"}
        return {**call, "CallStatus": word, "CallDuration": "9", **members}
