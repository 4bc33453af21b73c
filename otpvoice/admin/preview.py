"""Preview of a call that is not placed: its speech, the requests to the provider, and warnings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from otpvoice.admin.speech_preview import SpeechPreview
from otpvoice.core.phone import region_of
from otpvoice.core.profiles import ClientProfile
from otpvoice.core.speech import DEFAULT_FLOW, Flow, choose_flow, clean_name
from otpvoice.core.texts import speaks
from otpvoice.core.transactions import AMOUNT, PAYEE, Transaction, spoken_variables
from otpvoice.core.verification import queue_margin_s
from otpvoice.providers.base import (
    HttpRequestSpec,
    OutboundCall,
    Provider,
    Speech,
    SpeechPlan,
    UnspeakableError,
)
from otpvoice.providers.routes import Route
from otpvoice.sections import ProviderSection, TextProviderSection
from otpvoice.settings import Settings
from otpvoice.settings.routing import client_flows, providers_by_name, route_order

_EXAMPLE_CODE: Final = "4071132598"
"""Its first digits are the example. It has a zero in it, and is no real code."""
_EXAMPLE_PAYMENT: Final = Transaction("2500.00", "INR", "ACME Stores")
_CALL_ID: Final = f"call_{'0' * 32}"
_NUMBER: Final = "+919876543210"


@dataclass(frozen=True, slots=True)
class RoutePreview:
    """A call by one route, which is not placed."""

    route: str
    speech: SpeechPreview
    request: HttpRequestSpec
    lines: tuple[str, ...]
    """The caller lines for the example's number. Several take turns; the request has the first."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallPreview:
    """A call that is not placed."""

    chosen: RoutePreview
    """By the route that is asked for, or the first one of the client's own line."""
    routes: tuple[RoutePreview, ...]
    """In the order in which they are tried; only the chosen one if it was asked for."""
    warnings: tuple[str, ...]
    """Of the chosen route, and of further texts with the names of their routes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """What a preview is about."""

    client: str
    locale: str | None = None
    """As in a request of the client."""
    name: str = ""
    text: str | None = None
    """Replaces the text of the flow."""
    route: str | None = None
    """None for all."""


def preview_call(
    settings: Settings, routes: Mapping[str, Route], request: PreviewRequest
) -> CallPreview:
    """Return the call that a client's request leads to. Nothing is sent to a provider.

    Raises:
        KeyError: there is no such client or route.
    """
    profile = settings.client_profile(request.client)
    order = route_order(settings)
    own = next((name for name in order if routes[name].lines is None), order[0])
    names = (request.route,) if request.route else order
    previews = tuple(_preview_route(settings, routes[name], profile, request) for name in names)
    chosen = next((each for each in previews if each.route == own), previews[0])
    warnings = (*_name_warnings(request.name, profile), *_all_warnings(chosen, previews))
    return CallPreview(chosen, previews, warnings)


def _preview_route(
    settings: Settings, route: Route, profile: ClientProfile, request: PreviewRequest
) -> RoutePreview:
    # A call keeps the language that its client's own flows have.
    locale, _ = choose_flow(request.locale, profile.flows)
    key, flow = route.flows.choose(request.client, locale)
    text = flow.text if request.text is None else request.text
    is_payment = any(speaks(f"{flow.prompt} {text}", each) for each in (AMOUNT, PAYEE))
    paid = _EXAMPLE_PAYMENT if is_payment else None
    lines = (route.lines or profile.lines).serving(region_of(_NUMBER))
    call = OutboundCall(
        call_id=_CALL_ID,
        route=route.name,
        mode=route.mode,
        number=_NUMBER,
        bridge=lines[0],
        flow_id=flow.id,
        locale=key,
        text=text,
        name=clean_name(request.name) or profile.default_name,
        code=_EXAMPLE_CODE[: settings.verification.code_length],
        prompt=flow.prompt,
        variables=route.flows.variables(request.client) | spoken_variables(paid, key),
        gate=flow.gate_kind,
    )
    section = providers_by_name(settings)[route.provider_name]
    plan, problem = _plan(route.provider, call.speech)
    speech = _preview_speech(settings, section, call.speech, plan, flow, profile, request.client)
    warnings = [*_language_warnings(section, request.locale, speech)]
    if problem:
        warnings.append(f"The provider cannot speak the text: {problem}. Write another one.")
    elif speech.text:
        warnings += speech.warnings()
    else:
        warnings.append(_missing_text(speech))
    request_spec = route.provider.preview_request(call)
    return RoutePreview(route.name, speech, request_spec, lines, (*warnings,))


def _plan(provider: Provider, speech: Speech) -> tuple[SpeechPlan, str]:
    """Return how the provider speaks, and why it cannot if that is so."""
    try:
        return provider.plan_speech(speech), ""
    except UnspeakableError as error:
        return SpeechPlan(code_after_s=None, duration_s=None), str(error)


def _preview_speech(
    settings: Settings,
    section: ProviderSection,
    speech: Speech,
    plan: SpeechPlan,
    flow: Flow,
    profile: ClientProfile,
    client: str,
) -> SpeechPreview:
    tables = settings.provider_tables().items()
    table = next(table for table, each in tables if each is section)
    owner = f"clients.{client}" if client in client_flows(settings, section) else table
    kind = "texts" if isinstance(section, TextProviderSection) else "flows"
    margin_s = queue_margin_s(settings.verification.min_remaining_life, profile.ttl_s)
    return SpeechPreview(
        speech=speech,
        plan=plan,
        code_format=section.spelling(),
        flow_id=flow.id,
        table=table,
        setting=f"{owner}.{kind}",
        client=client,
        min_life_s=int(margin_s),
        max_ring_s=section.max_ring_s(),
        max_duration_s=section.max_duration_s(),
        duration_setting=section.duration_setting,
    )


def _all_warnings(chosen: RoutePreview, previews: tuple[RoutePreview, ...]) -> Iterator[str]:
    """Yield the warnings of the chosen route, and of each further text with its route's name."""
    yield from chosen.warnings
    seen = {chosen.speech.table}
    for each in previews:
        if each.speech.table not in seen:
            seen.add(each.speech.table)
            yield from (f"Route {each.route}: {warning}" for warning in each.warnings)


def _language_warnings(
    section: ProviderSection, locale: str | None, speech: SpeechPreview
) -> Iterator[str]:
    if locale and speech.speech.locale == DEFAULT_FLOW:
        yield (
            f"No flow speaks {locale}, so the default one is used. Add the locale to "
            f"{speech.setting}."
        )
    yield from section.speech_warnings(speech.table)


def _missing_text(speech: SpeechPreview) -> str:
    return (
        f"The flow {speech.speech.locale} has no text in the settings, so its speech cannot be "
        f"previewed, and heard stays null. Copy the text from the portal into {speech.setting}."
    )


def _name_warnings(name: str, profile: ClientProfile) -> Iterator[str]:
    cleaned = clean_name(name)
    if name.strip() and not cleaned:
        yield f"No part of the name can be spoken, so {profile.default_name} is spoken instead."
    elif cleaned != name.strip():
        yield f"The name is not spoken as given, but as {cleaned}."
