"""Builds the adapter of an account with a company of the TwiML family from its settings."""

from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.providers.context import ProviderContext
from otpvoice.providers.twiml.document import Voice
from otpvoice.providers.twiml.placement import CallOptions
from otpvoice.providers.twiml.provider import CancelableTwiml, FetchedTwiml, Twiml
from otpvoice.providers.twiml.settings import TwimlSettings, account_of
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS, Vendor


def build(settings: TwimlSettings, context: ProviderContext) -> Twiml:
    """Return the adapter of an account."""
    vendor = VENDORS[settings.vendor]
    account = account_of(settings, context.webhook_url)
    return adapter_class(vendor)(
        account=account,
        addresses=context.addresses,
        verifier=create_verifier(vendor.signature_scheme, settings.verification_keys()),
        http=HttpClient(connections=context.connections, proxy=parse_proxy(settings.proxy)),
        options=CallOptions(
            ring_timeout_s=settings.ring_timeout,
            time_limit_s=settings.time_limit,
            application_id=settings.application_id,
        ),
        voices={tag: Voice(name) for tag, name in settings.voices.items()},
    )


def adapter_class(vendor: Vendor) -> type[Twiml]:
    """Return the class with the protocols that a vendor supports."""
    if not vendor.document_member:
        return FetchedTwiml
    return CancelableTwiml if vendor.can_cancel else Twiml
