"""Builds the adapter of an account with Mobtexting from its settings."""

from zoneinfo import ZoneInfo

from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.providers.context import ProviderContext
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.settings import MobtextingSettings


def callback_format(settings: MobtextingSettings, region: str | None) -> CallbackFormat:
    """Return how messages are parsed. ``region``: of numbers without a calling code."""
    return CallbackFormat(ZoneInfo(settings.timezone), settings.status_words, region)


def build(settings: MobtextingSettings, context: ProviderContext) -> Mobtexting:
    """Return the adapter of an account."""
    return Mobtexting(
        http=HttpClient(connections=context.connections, proxy=parse_proxy(settings.proxy)),
        base_url=settings.base_url,
        token=settings.token,
        webhook_id=settings.webhook_id,
        audio=settings.audio,
        code_format=settings.otp_format,
        campaign=settings.campaign,
        interval=settings.interval,
        c2c_attempts=settings.c2c_attempts,
        c2c_duration=settings.c2c_duration,
        form=callback_format(settings, context.region),
        webhook_secrets=settings.webhook_secret,
        path_tokens=settings.webhook_path_token,
        validation_key=settings.validation_key,
    )
