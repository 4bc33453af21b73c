"""What a call would be, before anybody is called: for the command and for the console."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.core.flow import DEFAULT_FLOW, Flow, choose_flow
from otpvoice.core.preview import FlowPreview
from otpvoice.core.service import ClientProfile
from otpvoice.core.speech import clean_name
from otpvoice.core.verification import Route
from otpvoice.providers.base import HttpRequestSpec, OutboundCall, Provider
from otpvoice.settings import Settings

_EXAMPLE_CODE: Final = "4071132598"
"""No real code: its beginning is the example, with a zero in it."""
_MIN_LIFE_S: Final = 15
"""Seconds of life without which no call is dialed."""
_CALL_ID: Final = f"call_{'0' * 32}"
_NUMBER: Final = "+919876543210"


@dataclass(frozen=True, slots=True)
class CallPreview:
    """A call that is not placed."""

    flow_key: str
    flow: Flow
    speech: FlowPreview
    requests: dict[Route, HttpRequestSpec]
    warnings: tuple[str, ...]


class Previewer:
    """Shows what a client's calls would be. ``provider``: nothing is asked of it."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self._settings = settings
        self._provider = provider

    def preview(
        self, client: str, locale: str | None, name: str, text: str | None = None
    ) -> CallPreview:
        """The call that this request would lead to. ``text``: instead of the flow's own.

        Raises:
            KeyError: there is no such client.
        """
        settings = self._settings
        profile = settings.client_profile(client)
        key, flow = choose_flow(locale, profile.flows)
        chosen, spoken = settings.provider, clean_name(name) or profile.default_name
        verification = settings.verification
        speech = FlowPreview(
            text=flow.text if text is None else text,
            code=_EXAMPLE_CODE[: verification.code_length],
            code_format=chosen.otp_format,
            name=spoken,
            min_life_s=max(_MIN_LIFE_S, min(verification.min_remaining_life, profile.ttl_s // 2)),
            max_duration_s=chosen.c2c_duration * 60,
        )
        warnings = (
            *_flow_warnings(settings, locale, key),
            *_name_warnings(name, spoken),
            *_text_warnings(speech, key),
        )
        requests = {
            route: self._preview_request(profile, flow, speech, route) for route in chosen.routes
        }
        return CallPreview(key, flow, speech, requests, warnings)

    def _preview_request(
        self, profile: ClientProfile, flow: Flow, speech: FlowPreview, route: Route
    ) -> HttpRequestSpec:
        order = OutboundCall(
            call_id=_CALL_ID,
            route=route,
            number=_NUMBER,
            bridge=profile.bridge,
            flow_id=flow.id,
            name=speech.name,
            code=speech.code_text,
        )
        return self._provider.preview_request(order)


def _flow_warnings(settings: Settings, locale: str | None, key: str) -> Iterator[str]:
    if locale and key == DEFAULT_FLOW:
        yield f"No flow speaks {locale}: the default one will. Add it to provider.flows."
    if settings.provider.audio and Route.OBD in settings.provider.routes:
        yield (
            "By obd the sound of provider.audio is played instead of the flow: neither code nor "
            "name is spoken. Empty it, or take obd out of provider.routes."
        )


def _name_warnings(name: str, spoken: str) -> Iterator[str]:
    cleaned = clean_name(name)
    if name.strip() and not cleaned:
        yield f"Nothing of the name can be spoken: {spoken} is, instead."
    elif cleaned != name.strip():
        yield f"The name is not spoken as it was given, but as {cleaned}."


def _text_warnings(speech: FlowPreview, key: str) -> Iterator[str]:
    if speech.text:
        yield from speech.warnings()
        return
    yield (
        f"The flow {key} has no text in the settings, so that nobody can tell what it says, and "
        "heard stays null: copy it from the portal into provider.flows."
    )
