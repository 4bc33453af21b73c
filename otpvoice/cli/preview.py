"""``otpvoice preview``: what the provider will receive, and what a voice will say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from otpvoice.app import provider
from otpvoice.cli.configured import load_settings
from otpvoice.cli.operating import json_option, print_json
from otpvoice.core.flow import DEFAULT, Flow, choose_flow, is_language_tag
from otpvoice.core.preview import Rehearsal
from otpvoice.core.service import ClientProfile
from otpvoice.core.speech import clean_name
from otpvoice.core.verification import Route
from otpvoice.providers.base import CallOrder, CallRequest
from otpvoice.settings import Settings

_EXAMPLE: Final = "4071132598"
"""No real code: its beginning is the example, with a zero in it."""
_LEAST_LIFE: Final = 15
"""Seconds of life without which no call is dialed."""
_CALL_ID: Final = f"call_{'0' * 32}"
_NUMBER: Final = "+919876543210"


@dataclass(frozen=True, slots=True)
class Preview:
    """A call that is not placed."""

    key: str
    flow: Flow
    rehearsal: Rehearsal
    requests: dict[Route, CallRequest]
    warnings: tuple[str, ...]


@click.command()
@click.option("--locale", help="As in a request: hi, hi-IN. Default: the default flow.")
@click.option("--name", default="", help="As in a request.")
@click.option("--client", help="With this client's flows, name and ttl.")
@click.option("--text", help="Try this text instead of the flow's.")
@json_option
def preview(
    locale: str | None, name: str, client: str | None, text: str | None, *, as_json: bool
) -> None:
    """See what the provider will receive, and what a voice will say.

    Nobody is called. The code is an example. Warns of what people would not understand.
    """
    if locale is not None and not is_language_tag(locale):
        raise click.BadParameter("must be a language tag, like hi or hi-IN", param_hint="--locale")
    settings = load_settings()
    seen = look(settings, _profile(settings, client), locale, name, text)
    if as_json:
        print_json(_document(seen))
    else:
        click.echo("\n".join(_tell(seen)))


def look(
    settings: Settings, profile: ClientProfile, locale: str | None, name: str, text: str | None
) -> Preview:
    """The call that this request would lead to. ``text``: instead of the flow's own."""
    key, flow = choose_flow(locale, profile.flows)
    chosen, spoken = settings.provider, clean_name(name) or profile.default_name
    verification = settings.verification
    rehearsal = Rehearsal(
        text=flow.text if text is None else text,
        code=_EXAMPLE[: verification.code_length],
        code_format=chosen.otp_format,
        name=spoken,
        life=max(_LEAST_LIFE, min(verification.min_life, profile.ttl // 2)),
        longest=chosen.c2c_duration * 60,
    )
    warnings = (
        *_of_the_choice(settings, locale, key),
        *_of_the_given_name(name, spoken),
        *_of_the_text(rehearsal, key),
    )
    requests = {route: _request(settings, profile, flow, rehearsal, route) for route in Route}
    offered = {route: requests[route] for route in chosen.routes}
    return Preview(key, flow, rehearsal, offered, warnings)


def _profile(settings: Settings, client: str | None) -> ClientProfile:
    if client is None and len(settings.clients) == 1:
        (client,) = settings.clients
    if client is None:
        raise click.BadParameter(
            f"one of {', '.join(sorted(settings.clients)) or 'none: there is no client yet'}",
            param_hint="--client",
        )
    try:
        return settings.for_client(client)
    except KeyError:
        raise click.BadParameter("there is no such client", param_hint="--client") from None


def _request(
    settings: Settings, profile: ClientProfile, flow: Flow, rehearsal: Rehearsal, route: Route
) -> CallRequest:
    order = CallOrder(
        call_id=_CALL_ID,
        route=route,
        number=_NUMBER,
        bridge=profile.bridge,
        flow_id=flow.id,
        name=rehearsal.name,
        code=rehearsal.written,
    )
    return provider(settings).request(order)


def _of_the_choice(settings: Settings, locale: str | None, key: str) -> Iterator[str]:
    if locale and key == DEFAULT:
        yield f"No flow speaks {locale}: the default one will. Add it to provider.flows."
    if settings.provider.audio and Route.OBD in settings.provider.routes:
        yield (
            "By obd the sound of provider.audio is played instead of the flow: neither code nor "
            "name is spoken. Empty it, or take obd out of provider.routes."
        )


def _of_the_given_name(name: str, spoken: str) -> Iterator[str]:
    cleaned = clean_name(name)
    if name.strip() and not cleaned:
        yield f"Nothing of the name can be spoken: {spoken} is, instead."
    elif cleaned != name.strip():
        yield f"The name is not spoken as it was given, but as {cleaned}."


def _of_the_text(rehearsal: Rehearsal, key: str) -> Iterator[str]:
    if rehearsal.text:
        yield from rehearsal.warnings()
        return
    yield (
        f"The flow {key} has no text in the settings, so that nobody can tell what it says, and "
        "heard stays null: copy it from the portal into provider.flows."
    )


def _tell(seen: Preview) -> Iterator[str]:
    rehearsal = seen.rehearsal
    yield f"Flow {seen.key} ({seen.flow.id}), with an example of a code."
    if rehearsal.text:
        yield (
            f"It says, in about {rehearsal.seconds} s, and the code is heard once after "
            f"{rehearsal.heard_after} s:"
        )
        yield f"\n  {rehearsal.says}"
    for route, request in seen.requests.items():
        yield f"\n{route}  POST {request.url}"
        members = json.loads(request.body)
        yield from (f"  {name:16}  {value}" for name, value in members.items())
    yield "\nWarnings:" if seen.warnings else "\nNothing to warn of."
    yield from (f"  {warning}" for warning in seen.warnings)


def _document(seen: Preview) -> dict[str, Any]:
    rehearsal, has_text = seen.rehearsal, bool(seen.rehearsal.text)
    return {
        "flow": {"locale": seen.key, "id": seen.flow.id},
        "says": rehearsal.says if has_text else None,
        "seconds": rehearsal.seconds if has_text else None,
        "heard_after": rehearsal.heard_after if has_text else None,
        "requests": {
            route: {"url": request.url, "body": json.loads(request.body)}
            for route, request in seen.requests.items()
        },
        "warnings": list(seen.warnings),
    }
