"""Builds the adapter of an account with Plivo from its settings."""

from typing import Final

from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.providers.context import ProviderContext
from otpvoice.providers.languages import default_language
from otpvoice.providers.plivo.document import DEFAULT_VOICES, Voice
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.providers.plivo.settings import PlivoSettings

_DEFAULT_LANGUAGE: Final = DEFAULT_VOICES["default"].language


def build(settings: PlivoSettings, context: ProviderContext) -> Plivo:
    """Return the adapter of an account."""
    own_voices = {
        tag: Voice(name, default_language(tag) or _DEFAULT_LANGUAGE)
        for tag, name in settings.voices.items()
    }
    return Plivo(
        auth_id=settings.auth_id,
        auth_tokens=settings.auth_token,
        addresses=context.addresses,
        base_url=settings.base_url,
        http=HttpClient(connections=context.connections, proxy=parse_proxy(settings.proxy)),
        ring_timeout_s=settings.ring_timeout,
        time_limit_s=settings.time_limit,
        voices={**DEFAULT_VOICES, **own_voices},
    )
