"""Adapters of the TwiML family for the provider simulator, and the documents of their calls."""

from typing import Any

import requests
from providers.twiml_samples import TOKENS

from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import Callback, OutboundCall, PlacementResult
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.build import adapter_class
from otpvoice.providers.twiml.document import Voice
from otpvoice.providers.twiml.placement import CallOptions
from otpvoice.providers.twiml.provider import FetchedTwiml, Twiml
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS
from otpvoice_sandbox import RunningSandbox

TOKEN = "sandbox-t0ken"
_PATHS = {
    "twilio": "/2010-04-01",
    "somleng": "/2010-04-01",
    "signalwire": "/api/laml/2010-04-01",
    "telnyx": "/v2/texml",
}
_ANSWERING: dict[str, tuple[Twiml, OutboundCall]] = {}
"""The calls whose documents are fetched, by their ids."""


def adapter(sandbox: RunningSandbox, webhook: str, vendor: str, token: str = TOKEN) -> Twiml:
    """Return the adapter for an account of the sandbox."""
    key = token
    if vendor == "telnyx":
        headers = {"Authorization": f"Bearer {TOKEN}"}
        reply = requests.get(f"{sandbox.url}/v2/public_key", headers=headers, timeout=5)
        key = reply.json()["data"]["public"]
    chosen = VENDORS[vendor]
    parts: dict[str, Any] = {
        "account": Account(
            vendor=chosen,
            id="AC1",
            tokens=(token,),
            base_url=f"{sandbox.url}{_PATHS[vendor]}",
            webhook_url=webhook,
            path_tokens=("s3cret-path",),
        ),
        "addresses": CallAddresses(webhook.removesuffix("/webhooks/voice"), "voice", TOKENS),
        "verifier": create_verifier(chosen.signature_scheme, (key,)),
        "http": HttpClient(),
        "options": CallOptions(application_id="12345" if vendor == "telnyx" else ""),
        "voices": {"hi": Voice("Polly.Aditi")},
    }
    return adapter_class(chosen)(**parts)


def place(provider: Twiml, call: OutboundCall, seconds: float = 10) -> PlacementResult:
    """Place the call, and let its documents be fetched."""
    _ANSWERING[call.call_id] = provider, call
    return provider.place(call, Deadlines.within(seconds))


def document_for(callback: Callback, *, is_key: bool) -> bytes:
    """Return what the API returns when a call is answered or a key is pressed."""
    provider, call = _ANSWERING[callback.query["call"]]
    speech = call.speech
    if is_key:
        call_id, key = provider.parse_key(callback)
        assert call_id == call.call_id
        return provider.build_document(None if key == "9" else speech)
    assert isinstance(provider, FetchedTwiml)
    assert provider.parse_answer(callback) == call.call_id
    if speech.prompt:
        return provider.build_prompt(call.call_id, speech)
    return provider.build_document(speech)
